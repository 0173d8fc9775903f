//go:build unix

package unixpeer

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// NoGroup is that the owner alone may use a socket.
const NoGroup = -1

// GroupID finds a group of the machine by its name or number; "" is [NoGroup].
func GroupID(name string) (int, error) {
	if name == "" {
		return NoGroup, nil
	}
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	gid, err := strconv.ParseUint(group.Gid, 10, 31)
	return int(gid), err
}

// Admit lets the owner use a socket, and a group if there is one.
func Admit(path string, gid int) (fs.FileInfo, error) {
	mode := fs.FileMode(0o600)
	if gid != NoGroup {
		mode = 0o660
		if err := os.Lchown(path, -1, gid); err != nil {
			return nil, fmt.Errorf("the signer's user must be in the group: %w", err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// CheckFolder refuses a folder in which others could put a socket in the place of
// ours.
func CheckFolder(path string) error {
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
