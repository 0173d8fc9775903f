//go:build !unix

package postgres

import "net"

// quiet can't be told here: the first to use a connection that has ended is told.
func quiet(net.Conn) bool { return true }
