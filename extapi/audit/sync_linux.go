package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes what was written over in a file durable. Its size has not changed, and
// the time of the change may be lost.
func syncData(f file) error {
	ordinary, ok := f.(*os.File)
	if !ok {
		return f.Sync()
	}
	for {
		if err := unix.Fdatasync(int(ordinary.Fd())); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
