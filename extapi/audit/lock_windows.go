package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is far behind the text of the lock file, which others may read.
const lockOffset = 1 << 20

// tryLock locks a file for this open file alone; false if another has it.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: lockOffset})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return false, nil
	default:
		return false, err
	}
}

// unlock gives the lock up.
func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{Offset: lockOffset})
}

// syncDir does nothing: Windows keeps names durable by itself, in its journal.
func syncDir(string) error { return nil }
