package proxy

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

// dialIPC opens a connection to a named pipe.
func dialIPC(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, path)
}
