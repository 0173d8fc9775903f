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
// between requests, those whose request was answered before it was there, see [Early], and
// those of which nobody knows yet who asks, see [Stranger]. Whoever connects and then says
// nothing, never ends a handshake or a request, or has a proof that takes long to judge, takes
// up a place that others need: when all are taken, the one that was answered the longest ago
// gives its own up; else the one that has said nothing, or has been a stranger, the longest,
// whichever of them are more: who comes has time to say who it is, until half as many have come
// as there are places. Where there is none the one does that has rested the longest, so that a caller who
// keeps connections open keeps nobody out.
type newcomers struct {
	mu      sync.Mutex
	leaving list.List // of net.Conn, the oldest first
	silent  list.List // likewise
	strange list.List // likewise
	resting list.List // likewise
	places  map[net.Conn]place
	ends    map[net.Conn]context.CancelFunc // of the contexts

	callers *Shares             // of the connections on which requests are answered
	claims  map[net.Conn]string // whose they are
}

// place is where a connection is in one of the lists.
type place struct {
	in *list.List
	at *list.Element
}

func newNewcomers(conns int) *newcomers {
	return &newcomers{
		places: make(map[net.Conn]place), ends: make(map[net.Conn]context.CancelFunc),
		callers: NewShares(conns, true), claims: make(map[net.Conn]string),
	}
}

// follow is told of each change of a connection by the HTTP server. A connection
// is active when the headers of a request have come, until it is answered.
func (n *newcomers) follow(conn net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forget(conn)
	if state != http.StateActive {
		n.giveBack(conn)
	}
	switch state {
	case http.StateNew:
		n.places[conn] = place{&n.silent, n.silent.PushBack(conn)}
	case http.StateIdle:
		n.places[conn] = place{&n.resting, n.resting.PushBack(conn)}
	case http.StateHijacked, http.StateClosed:
		n.end(conn)
	case http.StateActive:
	}
}

// attach gives the context of a connection what [Early], [Stranger] and [Known] tell of it. The
// context ends with the connection: the server itself does not notice that one is
// closed while a request is answered whose body was not read.
func (n *newcomers) attach(ctx context.Context, conn net.Conn) context.Context {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, attachedKey{}, attached{n, conn}))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends[conn] = cancel
	return ctx
}

// end ends the context of a connection. The lock is held.
func (n *newcomers) end(conn net.Conn) {
	if cancel := n.ends[conn]; cancel != nil {
		cancel()
		delete(n.ends, conn)
	}
}

// attached is a connection with a request that is being answered.
type attached struct {
	to   *newcomers
	conn net.Conn
}

// attachedKey is the context's key of it.
type attachedKey struct{}

// put puts the connection into one of the lists, unless it was given up. There it makes room for
// others, and is nobody's.
func (a attached) put(in *list.List) {
	n := a.to
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends[a.conn] != nil {
		n.giveBack(a.conn)
		n.forget(a.conn)
		n.places[a.conn] = place{in, in.PushBack(a.conn)}
	}
}

// dismissedBy returns what tells the listener that the connection of a request can go.
func dismissedBy(ctx context.Context) func() {
	if a, ok := ctx.Value(attachedKey{}).(attached); ok {
		return func() { a.put(&a.to.leaving) }
	}
	return func() {} // of a listener that counts no places
}

// Stranger tells the listener that nobody knows yet who asks by a request. Its connection
// makes room for a new one where all places are taken, until the request is answered or the
// caller is [Known].
func Stranger(ctx context.Context) {
	if a, ok := ctx.Value(attachedKey{}).(attached); ok {
		a.put(&a.to.strange)
	}
}

// Known tells the listener that who asks by a request is no [Stranger] any more. It is false if
// the connection has made room for another meanwhile: then nobody waits for the answer.
func Known(ctx context.Context) bool {
	a, ok := ctx.Value(attachedKey{}).(attached)
	if !ok {
		return true
	}
	n := a.to
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, found := n.places[a.conn]; found && p.in == &n.strange {
		n.forget(a.conn)
	}
	return n.ends[a.conn] != nil
}

// claimed takes the connection of a request for its caller, until the request is answered or
// becomes something else. It is false for one who has as many as are left: of what nobody asks by
// a connection makes room for others, but what somebody asks by does not.
func claimed(ctx context.Context, principal string) bool {
	a, ok := ctx.Value(attachedKey{}).(attached)
	if !ok {
		return true
	}
	n := a.to
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, found := n.claims[a.conn]; found || n.ends[a.conn] == nil {
		return true // or it was closed, and what is written goes nowhere
	}
	if !n.callers.Enter(principal) {
		return false
	}
	n.claims[a.conn] = principal
	return true
}

// giveBack ends the claim to a connection. The lock is held.
func (n *newcomers) giveBack(conn net.Conn) {
	if principal, found := n.claims[conn]; found {
		n.callers.Leave(principal)
		delete(n.claims, conn)
	}
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
	most, fewer := &n.silent, &n.strange
	if n.strange.Len() > n.silent.Len() {
		most, fewer = fewer, most
	}
	front := cmp.Or(n.leaving.Front(), most.Front(), fewer.Front(), n.resting.Front())
	if front == nil {
		return nil
	}
	conn, _ := front.Value.(net.Conn)
	n.forget(conn)
	n.end(conn)
	return conn
}
