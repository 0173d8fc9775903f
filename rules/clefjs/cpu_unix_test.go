//go:build unix

package clefjs

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpu returns the processor time of the process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
