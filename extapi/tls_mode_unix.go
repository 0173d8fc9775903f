//go:build unix

package extapi

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkKeyMode refuses a private key that others than the signer's user can get
// at.
func checkKeyMode(path string, info fs.FileInfo) error {
	owner, user := os.Geteuid(), os.Geteuid()
	if known, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(known.Uid)
	}
	if mode := info.Mode().Perm(); mode&closedTo(owner, user) != 0 {
		return fmt.Errorf("%s holds a private key and has mode %#o, so others can get at it: run chmod 600 %s", path, mode, path)
	}
	return nil
}

// closedTo returns the bits that a private key's mode can't have. What belongs to
// root may be read by its group: Kubernetes mounts a secret for a user who is
// not root in no other way.
func closedTo(owner, user int) fs.FileMode {
	if owner == 0 && user != 0 {
		return 0o037
	}
	return 0o077
}
