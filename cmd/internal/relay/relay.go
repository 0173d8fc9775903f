package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const headerTimeout = 10 * time.Second

// Relay stands in front of one node.
type Relay struct {
	node    string // its HTTP URL
	address string // host:port
	client  *http.Client

	mu      sync.Mutex
	faults  map[string]Fault // by method
	seen    map[string]int   // requests by method, those of batches too
	server  *http.Server     // nil: down
	serving chan struct{}    // closed when the server has ended
	conns   map[net.Conn]bool
	sockets map[*socket]bool
	pumps   sync.WaitGroup
}

// Start opens a relay to the node with an HTTP URL; its WebSocket is on the same
// port. Close ends it.
func Start(ctx context.Context, node string) (*Relay, error) {
	r := &Relay{
		node: node, address: "127.0.0.1:0", client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}},
		faults: make(map[string]Fault), seen: make(map[string]int), conns: make(map[net.Conn]bool), sockets: make(map[*socket]bool),
	}
	if err := r.Up(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Up opens the port again after Down.
func (r *Relay) Up(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.address)
	if err != nil {
		return fmt.Errorf("opening the relay: %w", err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: headerTimeout,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ConnState: r.track,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.address, r.server, r.serving = listener.Addr().String(), server, ended
	return nil
}

// Down closes the port and resets every connection: connections are refused from
// then on.
func (r *Relay) Down() {
	r.mu.Lock()
	server, ended := r.server, r.serving
	r.server = nil
	for conn := range r.conns {
		reset(conn)
	}
	r.mu.Unlock()
	if server != nil {
		_ = server.Close() // what it says of connections that are gone is nobody's concern
		<-ended
	}
	r.Drop()
}

// Drop resets every WebSocket connection. New ones are taken.
func (r *Relay) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sockets {
		s.reset()
	}
}

// Close ends the relay.
func (r *Relay) Close() {
	r.Down()
	r.pumps.Wait()
	r.client.CloseIdleConnections()
}

// Fail makes a fault of each request of a method, until Heal.
func (r *Relay) Fail(method string, fault Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[method] = fault
}

// Heal ends all faults. What hangs goes on hanging.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.faults)
}

// Seen is how many requests of a method came by.
func (r *Relay) Seen(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[method]
}

// Sockets is how many WebSocket connections are open.
func (r *Relay) Sockets() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sockets)
}

// URL is where the relay answers over HTTP.
func (r *Relay) URL() string { return "http://" + r.address }

// WS is where it answers over WebSocket.
func (r *Relay) WS() string { return "ws://" + r.address }

// fault counts a message, and returns what is to become of it.
func (r *Relay) fault(message []byte) (fault Fault, faulty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range requests(message) {
		r.seen[call.Method]++
		if f, ok := r.faults[call.Method]; ok {
			fault, faulty = f, true
		}
	}
	return fault, faulty
}

type connKey struct{}

// track knows the connections that can be reset.
func (r *Relay) track(conn net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state == http.StateNew {
		r.conns[conn] = true
	}
	if state == http.StateClosed || state == http.StateHijacked {
		delete(r.conns, conn)
	}
}

// reset closes a connection so that the other end sees an error, and nothing that is
// still on its way to it.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = errors.Join(tcp.SetLinger(0), tcp.Close()) // it may be closed already
	}
}

// nodeWS is the node's WebSocket endpoint.
func (r *Relay) nodeWS() string { return "ws" + strings.TrimPrefix(r.node, "http") }
