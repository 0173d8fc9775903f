//go:build !windows

package proxy

import (
	"errors"
	"syscall"
)

// directWorks: an idle connection can be asked whether it is still open.
const directWorks = true

// quiet reports whether an idle connection is open and has nothing to say. A
// node closes connections that were idle for long; a call sent on such a one
// would be lost, and can't be repeated without knowing whether it was.
func quiet(raw syscall.RawConn) bool {
	open := false
	err := raw.Read(func(socket uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(socket), one[:], syscall.MSG_PEEK)
		open = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
		return true
	})
	return err == nil && open
}
