//go:build unix

package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/extapi/unixpeer"
)

// Check refuses a place where no socket may be, and a group that is not there. It opens
// nothing.
func Check(path, group string) error {
	_, err := check(path, group)
	return err
}

// check is Check, and returns the number of the group.
func check(path, group string) (gid int, err error) {
	var long error
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		long = fmt.Errorf("the path has %d bytes, and a socket's path has at most %d: give another by approvals.socket", len(path), limit-1)
	}
	gid, err = unixpeer.GroupID(group)
	if err != nil {
		err = fmt.Errorf("approvals.socket_group: %w", err)
	}
	place := unixpeer.CheckFolder(filepath.Dir(path))
	if long == nil && place == nil {
		place = admin.CheckPlace(path)
	}
	return gid, errors.Join(long, place, err)
}

// checkFree tells that another program answers in a place. It opens and removes nothing.
func checkFree(ctx context.Context, path string) error { return answered(admin.CheckFree(ctx, path)) }

// answered adds what to do where another signer answers.
func answered(err error) error {
	if errors.Is(err, admin.ErrAnswered) {
		return fmt.Errorf("%w: stop it, or give another path by approvals.socket", err)
	}
	return err
}

// listen opens a socket for its owner, and for a group if there is one.
func listen(ctx context.Context, path, group string) (net.Listener, error) {
	gid, err := check(path, group)
	if err != nil {
		return nil, err
	}
	if err := answered(admin.RemoveStale(ctx, path)); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: restrict}
	opened, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	listener, ok := opened.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listening gave a %T", opened), opened.Close())
	}
	listener.SetUnlinkOnClose(false) // by then the path may be another process's
	info, err := unixpeer.Admit(path, gid)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("approvals.socket_group: %w", err), listener.Close(), os.Remove(path))
	}
	remove := sync.OnceValue(func() error { return removeSame(path, info) })
	return &peerListener{UnixListener: listener, remove: remove, users: make(map[uint32]int)}, nil
}

// restrict sets the mode before the socket gets its name, where the system can
// (Linux), so that there is no moment at which others could connect.
func restrict(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

// removeSame removes the socket, if it is the one that was made.
func removeSame(path string, info fs.FileInfo) error {
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, info) {
		return nil //nolint:nilerr // it is not there, as it should be
	}
	return os.Remove(path)
}
