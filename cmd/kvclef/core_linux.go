package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// forbidCoreDumps has the kernel write no core dump of this process and of those
// that it starts. The limit alone does not do where dumps are handed to a program;
// that a process is not dumpable keeps them from that too, and its memory from
// debuggers of the same user.
func forbidCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("setting RLIMIT_CORE to 0: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("clearing PR_SET_DUMPABLE: %w", err)
	}
	return nil
}
