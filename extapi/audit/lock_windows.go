package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is the high half of 2^62, far behind what any file has: others may
// read all of that.
const lockOffset = 1 << 30

// tryLock locks a file for this open file alone; false if another has it.
func tryLock(f file) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffset})
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
func unlock(f file) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffset})
}

// syncDir does nothing: Windows keeps names durable by itself, in its journal.
func syncDir(string) error { return nil }

// openFolder opens nothing: there is nothing to do with it.
func openFolder(string) (*os.File, error) { return nil, nil }

// syncFolder does nothing, as syncDir.
func syncFolder(*os.File) error { return nil }
