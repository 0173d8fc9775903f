//go:build unix

package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
)

// listen opens a socket for its owner, and for a group if there is one.
func listen(ctx context.Context, path, group string) (net.Listener, error) {
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		return nil, fmt.Errorf("the path has %d bytes, and a socket's path has at most %d: give another by approvals.socket", len(path), limit-1)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	if err := admin.RemoveStale(ctx, path); err != nil {
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
	info, err := admit(path, gid)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(path))
	}
	remove := sync.OnceValue(func() error { return removeSame(path, info) })
	return &peerListener{UnixListener: listener, remove: remove, users: make(map[uint32]int)}, nil
}

// restrict sets the mode before the socket gets its name, where the system can
// (Linux), so that there is no moment at which others could connect.
func restrict(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

// checkFolder refuses a folder in which others could put a socket in the place of
// this one.
func checkFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("its folder must be there: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", path)
	case known && owner.Uid != 0 && int64(owner.Uid) != int64(os.Geteuid()):
		return fmt.Errorf("the folder %s belongs to the user id %d, who could put another socket in its place", path, owner.Uid)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("the folder %s has mode %#o, so that others could put another socket in its place: run chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// groupID finds a group of the machine; -1 is none.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("approvals.socket_group: %w", err)
	}
	gid, err := strconv.ParseUint(group.Gid, 10, 31)
	return int(gid), err
}

// admit lets the owner use the socket, and the group if there is one.
func admit(path string, gid int) (fs.FileInfo, error) {
	mode := fs.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
		if err := os.Lchown(path, -1, gid); err != nil {
			return nil, fmt.Errorf("approvals.socket_group: the signer's user must be in the group: %w", err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// removeSame removes the socket, if it is the one that was made.
func removeSame(path string, info fs.FileInfo) error {
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, info) {
		return nil //nolint:nilerr // it is not there, as it should be
	}
	return os.Remove(path)
}
