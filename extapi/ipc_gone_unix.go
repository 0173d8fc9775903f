//go:build unix

package extapi

import (
	"errors"
	"net"
	"syscall"
)

// hungUp reports whether a caller has closed its end of a socket, so that no answer can reach
// it. One that has closed the half that it writes to has not. To write nothing tells: it
// fails when the other end is closed, and else sends nothing and waits for nobody.
func hungUp(conn net.Conn, _ bool) bool {
	if limited, ok := conn.(*limitedConn); ok {
		conn = limited.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true // closed here
	}
	var told error
	if err := raw.Control(func(fd uintptr) { _, told = syscall.Write(int(fd), nil) }); err != nil {
		return true // likewise
	}
	return errors.Is(told, syscall.EPIPE) || errors.Is(told, syscall.ECONNRESET) || errors.Is(told, syscall.ENOTCONN)
}
