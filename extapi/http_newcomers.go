package extapi

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// newcomers are the connections that have not sent a request yet. Whoever
// connects and then says nothing, or never ends a handshake, takes up a place
// that others need: when all are taken, the one that has done so the longest
// gives its own up.
type newcomers struct {
	mu     sync.Mutex
	queue  list.List // of net.Conn, the oldest first
	places map[net.Conn]*list.Element
}

func newNewcomers() *newcomers { return &newcomers{places: make(map[net.Conn]*list.Element)} }

// follow is told of each change of a connection by the HTTP server. A connection
// is active when the headers of its first request have come.
func (n *newcomers) follow(conn net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state == http.StateNew {
		n.places[conn] = n.queue.PushBack(conn)
		return
	}
	if place, found := n.places[conn]; found {
		n.queue.Remove(place)
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

func (n *newcomers) oldest() net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	place := n.queue.Front()
	if place == nil {
		return nil
	}
	conn, _ := n.queue.Remove(place).(net.Conn)
	delete(n.places, conn)
	return conn
}
