// Package admin lets commands reach the state of a signer that is running, and
// that alone may have its store open: HTTP on a unix socket in the data
// directory, which is its user's alone.
//
// It makes a copy of the state, takes an attestation, has the signer read its
// policy again, and hands requests on to what is mounted. By itself it never
// signs, and never changes what the running signer decides: an attestation is for
// the next start or reload.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/kvclef/kvclef/rules"
)

const (
	readTimeout = 10 * time.Second // of a request
	stepTimeout = 30 * time.Second // of one write to a caller, and of the work on a request
	maxHeader   = 8 << 10          // bytes
	maxBody     = 16 << 10         // bytes; an attestation has fewer than 1,000
)

// Store is the state of a signer.
type Store interface {
	// Backup writes a consistent copy while the store goes on working.
	Backup(w io.Writer) (int64, error)

	// Attest keeps an attestation, durably, in the place of the one before.
	Attest(ctx context.Context, attestation rules.Attestation) error
}

// Server answers on a socket until it is closed.
type Server struct {
	http *http.Server
	path string
	done chan error // of serving

	handler *handler
}

// Start opens the socket and answers on it. Whoever calls it holds the store,
// so that a socket which is there already is a dead signer's; one on which
// somebody answers nevertheless is an error. The context bounds the opening alone.
func Start(ctx context.Context, path string, store Store, log *slog.Logger) (*Server, error) {
	listener, err := listen(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("opening the admin socket %s: %w", path, err)
	}
	handler := newHandler(store, log)
	s := &Server{
		path:    path,
		done:    make(chan error, 1),
		handler: handler,
		http: &http.Server{
			Handler:           handler.routes(),
			ReadTimeout:       readTimeout,
			ReadHeaderTimeout: readTimeout,
			IdleTimeout:       readTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
	go func() { s.done <- s.http.Serve(withPlaces(listener, maxConns)) }()
	return s, nil
}

// OnReload says what reads the policy again. It returns what to tell. Until it
// is said, and for a signer without a policy, reloading is refused.
func (s *Server) OnReload(reload func(ctx context.Context) (told string, err error)) {
	s.handler.reload.Store(&reload)
}

// Mount says what answers for a path and what is below it, in the place of what
// did before. Until it is said for [PathTransactions] and [PathHosted], their
// requests are refused with the reason. A request's body has at most 64 KiB, and
// its handler sees the whole path.
func (s *Server) Mount(prefix string, handler http.Handler) { s.handler.mounts.put(prefix, handler) }

// Close ends the server and removes the socket. Requests under way are waited
// for until the context ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("waiting for requests to the admin socket: %w", err), s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// listen opens a socket for its owner alone. The folder is private, so that
// there is no moment at which others could connect.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	if err := RemoveStale(ctx, path); errors.Is(err, ErrAnswered) {
		return nil, fmt.Errorf("%w: stop it, or use another --datadir", err)
	} else if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// ErrAnswered is that a socket is in use.
var ErrAnswered = errors.New("another signer answers there")

// RemoveStale removes a socket that nobody answers on. One that somebody answers on
// is [ErrAnswered]. What is no socket is an error, too, and so is one that does not say
// that nobody is there, such as that of a signer with a queue that is full.
func RemoveStale(ctx context.Context, path string) error {
	if stale, err := staleAt(ctx, path); err != nil || !stale {
		return err
	}
	return os.Remove(path)
}

// CheckFree is RemoveStale that removes nothing.
func CheckFree(ctx context.Context, path string) error {
	_, err := staleAt(ctx, path)
	return err
}

// staleAt reports whether a socket is in a place that nobody answers on.
func staleAt(ctx context.Context, path string) (bool, error) {
	there, err := socketAt(path)
	if err != nil || !there {
		return false, err
	}
	conn, err := dial(ctx, path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only a question
		return false, ErrAnswered
	case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, errWindowsRefused):
		return false, fmt.Errorf("asking whether a signer answers there: %w", err)
	}
	return true, nil
}

// errWindowsRefused is WSAECONNREFUSED, by which Windows says that nobody listens.
const errWindowsRefused = syscall.Errno(10061)

// CheckPlace refuses a place for a socket in which something is that is none, and a path
// that is too long for one.
func CheckPlace(path string) error {
	if err := checkLength(path); err != nil {
		return err
	}
	_, err := socketAt(path)
	return err
}

func checkLength(path string) error {
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		return fmt.Errorf("the path has %d bytes, and a socket's path has at most %d: give a shorter --datadir", len(path), limit-1)
	}
	return nil
}

// socketAt reports whether a socket is in a place.
func socketAt(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode().Type() != fs.ModeSocket:
		return false, errors.New("a file with that name exists and is no socket: move it away")
	}
	return true, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: time.Second}
	return dialer.DialContext(ctx, "unix", path)
}
