//go:build unix

package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for this open file alone; false if another has it.
func tryLock(f file) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

// unlock gives the lock up. Closing is not enough while a child of this process,
// on its way to another program, still has the file too.
func unlock(f file) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

// openFolder opens a directory whose names are to be made durable later, when
// there may be no descriptor left to open it with.
func openFolder(dir string) (*os.File, error) { return os.Open(dir) }

// syncFolder makes the names in an open directory durable.
func syncFolder(dir *os.File) error { return dir.Sync() }
