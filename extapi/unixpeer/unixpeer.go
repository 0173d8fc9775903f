// Package unixpeer tells who is at the other end of a Unix socket, as the system knows
// it, and lets a group of the machine use one. Nobody can say of themselves who they
// are.
package unixpeer

import (
	"errors"
	"fmt"
	"net"
)

// ErrUnsupported is that the system does not tell who connects.
var ErrUnsupported = errors.New("this system does not tell who connects to a socket")

// Of returns the user at the other end of a connection, which may be wrapped by others
// that have it as NetConn, as tls.Conn does.
func Of(conn net.Conn) (uid uint32, err error) {
	for {
		switch c := conn.(type) {
		case *net.UnixConn:
			return User(c)
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return 0, fmt.Errorf("a %T tells nobody's user", conn)
		}
	}
}
