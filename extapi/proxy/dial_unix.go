//go:build !windows

package proxy

import (
	"context"
	"net"
)

// dialIPC opens a connection to a socket of the file system.
func dialIPC(ctx context.Context, path string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", path)
}
