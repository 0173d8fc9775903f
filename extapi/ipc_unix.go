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

	"github.com/kvclef/kvclef/extapi/unixpeer"
)

// listenIPC opens a unix socket that its owner alone can use (mode 0600), or a group of
// the machine too (0660), which then must be able to reach the folder. A
// missing folder is made for the owner alone too. A socket left over by a dead
// process is replaced; one that answers, and anything that is no socket, is an
// error.
func listenIPC(ctx context.Context, path, group string) (net.Listener, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	gid, err := reachedBy(path, group)
	if err != nil {
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
	info, err := unixpeer.Admit(path, gid)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listeners.ipc.socket_group: %w", err), listener.Close(), os.Remove(path))
	}
	return &socketListener{UnixListener: unix, path: path, info: info}, nil
}

func checkLength(path string) error {
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		return fmt.Errorf("path has %d bytes: a socket's path has at most %d; give a shorter one", len(path), limit-1)
	}
	return nil
}

// checkPlace returns what would keep a socket from being opened, as far as that is
// seen without opening it. A missing folder will be made, for its owner alone.
func checkPlace(path, group string) error {
	if err := checkLength(path); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return noSocket(path)
	}
	_, err := reachedBy(path, group)
	return err
}

func noSocket(path string) error {
	return fmt.Errorf("%s exists and is no socket: remove it or choose another path", path)
}

// reachedBy returns the group that may use a socket, and refuses a folder that it can't
// enter, or in which others could put a socket in the place of ours.
func reachedBy(path, group string) (gid int, err error) {
	gid, err = unixpeer.GroupID(group)
	if err != nil || gid == unixpeer.NoGroup {
		return gid, err
	}
	folder := filepath.Dir(path)
	if err := unixpeer.CheckFolder(folder); err != nil {
		return 0, err
	}
	info, err := os.Stat(folder)
	if err == nil && info.Mode().Perm()&0o011 == 0 {
		err = fmt.Errorf("listeners.ipc.socket_group: nobody else can enter the folder %s: run chgrp %s %[1]s and chmod g+x %[1]s", folder, group)
	}
	return gid, err
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
	if stale, err := staleSocket(ctx, path); err != nil || !stale {
		return err
	}
	return os.Remove(path)
}

// staleSocket reports whether a socket is there that nobody answers on.
func staleSocket(ctx context.Context, path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode().Type() != fs.ModeSocket:
		return false, noSocket(path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only a question
		return false, errors.New("another signer is listening there: stop it or choose another path")
	case !errors.Is(err, syscall.ECONNREFUSED):
		return false, fmt.Errorf("asking whether another signer is listening: %w", err)
	}
	return true, nil
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
