package extapi

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// newcomers are the connections that have not sent a request yet, those that rest
// between requests, and those whose request was answered before it was there, see [Early].
// Whoever connects and then says nothing, or never ends a handshake or a request, takes
// up a place that others need: when all are taken, the one that was answered the longest ago
// gives its own up, else the one that has said nothing the longest. Where there is none
// the one does that has rested the longest, so that a caller who keeps connections open
// keeps nobody out.
type newcomers struct {
	mu      sync.Mutex
	leaving list.List // of net.Conn, the oldest first
	silent  list.List // likewise
	resting list.List // likewise
	places  map[net.Conn]place
}

// place is where a connection is in one of the lists.
type place struct {
	in *list.List
	at *list.Element
}

func newNewcomers() *newcomers { return &newcomers{places: make(map[net.Conn]place)} }

// follow is told of each change of a connection by the HTTP server. A connection
// is active when the headers of a request have come, until it is answered.
func (n *newcomers) follow(conn net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forget(conn)
	switch state {
	case http.StateNew:
		n.places[conn] = place{&n.silent, n.silent.PushBack(conn)}
	case http.StateIdle:
		n.places[conn] = place{&n.resting, n.resting.PushBack(conn)}
	case http.StateActive, http.StateHijacked, http.StateClosed:
	}
}

// attach gives the context of a connection what [Early] tells that it can go.
func (n *newcomers) attach(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, dismissKey{}, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.forget(conn)
		n.places[conn] = place{&n.leaving, n.leaving.PushBack(conn)}
	})
}

func (n *newcomers) forget(conn net.Conn) {
	if p, found := n.places[conn]; found {
		p.in.Remove(p.at)
		delete(n.places, conn)
	}
}

// dismiss closes the oldest; false when there is none.
func (n *newcomers) dismiss() bool {
	conn := n.oldest()
	if conn == nil {
		return false
	}
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn() // no farewell, which could be waited for
	}
	_ = conn.Close() // nothing was promised on it
	return true
}

// oldest takes out who is to go.
func (n *newcomers) oldest() net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	front := cmp.Or(n.leaving.Front(), n.silent.Front(), n.resting.Front())
	if front == nil {
		return nil
	}
	conn, _ := front.Value.(net.Conn)
	n.forget(conn)
	return conn
}
