//go:build unix

package postgres

import (
	"crypto/tls"
	"net"
	"syscall"
)

// quiet tells whether nothing has come on a connection that is not used: neither
// its end nor what a server says before it ends one. It does not wait.
func quiet(conn net.Conn) bool {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	// Not Read, which would wait for another that reads: pgx may have left one.
	err = control.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		nothing = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err == nil && nothing
}
