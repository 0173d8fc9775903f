package approvals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// Config is what a server needs.
type Config struct {
	Path  string // of the socket
	Group string // of the machine, by name or number, whose members may use it; "": the signer's user alone

	Tickets Tickets
	Person  func(uid uint32) string // "" for a user that is none

	// Names says what the addresses and the chain of a ticket are called.
	Names func(t *approval.Ticket) (sheet.Names, map[string]string)

	Logger *slog.Logger
}

// Server answers on a socket until it is closed.
type Server struct {
	http *http.Server
	done chan error // of serving
}

// Start opens the socket and answers on it. The context bounds the opening alone.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	listener, err := listen(ctx, cfg.Path, cfg.Group)
	if err != nil {
		return nil, opening(cfg.Path, err)
	}
	closing := make(chan struct{})
	h := &handler{cfg: cfg, closing: closing}
	s := &Server{
		done: make(chan error, 1),
		http: &http.Server{
			Handler:           h.routes(),
			ReadTimeout:       readTimeout,
			ReadHeaderTimeout: readTimeout,
			IdleTimeout:       readTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
			ConnContext: func(ctx context.Context, c net.Conn) context.Context {
				if peer, ok := c.(*peerConn); ok {
					return context.WithValue(ctx, peerKey{}, peer.uid)
				}
				return ctx
			},
		},
	}
	s.http.RegisterOnShutdown(func() { close(closing) })
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// CheckFree tells, as Start would, that another program answers in the place of the socket. It
// opens nothing, and what else may be wrong is for [Check].
func CheckFree(ctx context.Context, path string) error {
	if err := checkFree(ctx, path); err != nil {
		return opening(path, err)
	}
	return nil
}

func opening(path string, err error) error {
	return fmt.Errorf("opening the socket for approvals %s: %w", path, err)
}

// Close ends the server and removes the socket. Votes under way are waited for
// until the context ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("waiting for votes: %w", err), s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

type peerKey struct{}

// peerOf returns the user at the other end of a request.
func peerOf(r *http.Request) (uid uint32, known bool) {
	uid, known = r.Context().Value(peerKey{}).(uint32)
	return uid, known
}
