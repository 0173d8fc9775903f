package proxy

import (
	"context"
	"net"
)

// maxHandshake bounds what a node sends until it is a WebSocket, in bytes:
// certificates and headers.
const maxHandshake = 256 << 10

// handshake opens a connection of which no more is read than a handshake takes, until
// that is over.
type handshake struct {
	dialer net.Dialer
	conn   *gatedConn // nil until there is one
}

func (h *handshake) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := h.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	h.conn = &gatedConn{Conn: conn, gate: gate{from: conn, left: maxHandshake}}
	return h.conn, nil
}

// over lifts the bound.
func (h *handshake) over() {
	if h.conn != nil {
		h.conn.gate.left = -1
	}
}

// gatedConn is a connection whose reading is bounded for a while.
type gatedConn struct {
	net.Conn
	gate gate
}

// Read reads within the bound.
func (c *gatedConn) Read(p []byte) (int, error) { return c.gate.Read(p) }
