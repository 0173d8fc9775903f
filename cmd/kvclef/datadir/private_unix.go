//go:build unix

package datadir

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// checkPrivate refuses a folder that others can read or write, or that is
// another user's: who can write there can replace the state, and so the limits.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at the data directory: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("the data directory %s has mode %#o, so others can get at it: run chmod 700 %s", Absolute(path), mode, Absolute(path))
	}
	// Who gives it to another user takes it from a signer that may run as the first.
	if user := os.Geteuid(); known && int64(owner.Uid) != int64(user) {
		return fmt.Errorf("the data directory %s belongs to the user id %d, and kvclef runs as %d: run it as that user, of the Debian package by /usr/libexec/kvclef/as-service",
			Absolute(path), owner.Uid, user)
	}
	return nil
}

// Sync makes the names in a folder durable.
func Sync(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
