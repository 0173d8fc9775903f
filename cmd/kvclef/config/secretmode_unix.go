//go:build unix

package config

import (
	"io/fs"
	"os"
	"syscall"
)

// OpenToOthers reports whether others than the signer's user can get at a file.
func OpenToOthers(info fs.FileInfo) bool {
	owner, user := os.Geteuid(), os.Geteuid()
	if known, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(known.Uid)
	}
	return info.Mode().Perm()&closedTo(owner, user) != 0
}

// closedTo returns the bits that the mode of a secret can't have. What belongs to
// root may be read by its group: Kubernetes and the service manager hand secrets to
// a user who is not root in no other way.
func closedTo(owner, user int) fs.FileMode {
	if owner == 0 && user != 0 {
		return 0o037
	}
	return 0o077
}
