//go:build unix

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// writable refuses a file or a folder in which kvclef's user may not write.
func writable(path string, folder bool) error {
	mode, what := uint32(unix.W_OK), "file"
	if folder {
		mode, what = unix.W_OK|unix.X_OK, "folder"
	}
	if err := unix.Access(path, mode); err != nil {
		return fmt.Errorf("the user id %d may not write in the %s %s: %w", os.Geteuid(), what, path, err)
	}
	return nil
}
