//go:build unix

package extapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listenIPC opens a unix socket that its owner alone can use (mode 0600). A
// missing folder is made for the owner alone too. A socket left over by a dead
// process is replaced; one that answers, and anything that is no socket, is an
// error.
func listenIPC(ctx context.Context, path string) (net.Listener, error) {
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		return nil, fmt.Errorf("path has %d bytes: a socket's path has at most %d", len(path), limit-1)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: restrict}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	unix, ok := listener.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listening gave a %T", listener), listener.Close())
	}
	unix.SetUnlinkOnClose(false) // by then the path may be another process's
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &socketListener{UnixListener: unix, path: path, info: info}, nil
}

// restrict sets the mode before the socket gets its name, where the system
// can (Linux), so that there is no moment at which others could connect.
func restrict(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		_ = syscall.Fchmod(int(fd), 0o600) // elsewhere the mode is set after the name
	})
}

// removeStale removes a socket that nobody answers on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket: remove it or choose another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only a question
		return errors.New("another signer is listening there: stop it or choose another path")
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("asking whether another signer is listening: %w", err)
	}
	return os.Remove(path)
}

// socketListener removes its socket when it is closed, and no other's.
type socketListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// Close stops listening and removes the socket.
func (l *socketListener) Close() error {
	var errRemove error
	if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.info) {
		errRemove = os.Remove(l.path)
	}
	return errors.Join(l.UnixListener.Close(), errRemove)
}
