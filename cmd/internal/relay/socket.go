package relay

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// socket is a WebSocket connection through the relay, as its two halves.
type socket struct {
	relay        *Relay
	caller, node *websocket.Conn

	mu      sync.Mutex
	waiting map[string]waiting // by the id of the request
}

// waiting is a request with a fault that the node has not answered yet.
type waiting struct {
	message []byte
	fault   Fault
}

func (r *Relay) serveSocket(w http.ResponseWriter, req *http.Request) {
	node, response, err := websocket.DefaultDialer.DialContext(req.Context(), r.nodeWS()+req.URL.Path, nil)
	if err != nil {
		http.Error(w, "the node does not answer", http.StatusBadGateway)
		return
	}
	_ = response.Body.Close() // there is none
	caller, err := new(websocket.Upgrader).Upgrade(w, req, nil)
	if err != nil {
		_ = node.Close() // it was opened for nothing
		return
	}
	s := &socket{relay: r, caller: caller, node: node, waiting: make(map[string]waiting)}
	r.mu.Lock()
	r.sockets[s] = true
	r.pumps.Add(2)
	r.mu.Unlock()
	go s.pump(caller, s.up)
	s.pump(node, s.down)
}

// pump takes the messages of one half, until it breaks; then both do.
func (s *socket) pump(from *websocket.Conn, take func(kind int, message []byte) error) {
	defer s.relay.pumps.Done()
	defer s.forget()
	from.SetReadLimit(maxBody)
	for {
		kind, message, err := from.ReadMessage()
		if err == nil {
			err = take(kind, message)
		}
		if err != nil {
			return
		}
	}
}

// up hands a message on to the node, unless its fault withholds it.
func (s *socket) up(kind int, message []byte) error {
	fault, faulty := s.relay.fault(message)
	if !faulty {
		return s.node.WriteMessage(kind, message)
	}
	if fault.Withheld {
		return s.end(kind, waiting{message, fault}, nil)
	}
	s.mu.Lock()
	s.waiting[id(message)] = waiting{message, fault}
	s.mu.Unlock()
	return s.node.WriteMessage(kind, message)
}

// down hands a message on to the caller, unless it answers a request with a fault.
func (s *socket) down(kind int, message []byte) error {
	s.mu.Lock()
	of, faulty := s.waiting[id(message)]
	delete(s.waiting, id(message))
	s.mu.Unlock()
	if faulty {
		return s.end(kind, of, message)
	}
	return s.tell(kind, message)
}

// end makes an end of a request.
func (s *socket) end(kind int, of waiting, own []byte) error {
	switch of.fault.End {
	case Hangs:
		return nil
	case Resets:
		s.reset()
		return nil
	case Cuts:
		return s.caller.Close()
	default:
		return s.tell(kind, of.fault.answer(of.message, own))
	}
}

// tell writes to the caller. Both halves may.
func (s *socket) tell(kind int, message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caller.WriteMessage(kind, message)
}

// reset breaks the caller's half; the other follows.
func (s *socket) reset() { reset(s.caller.NetConn()) }

// forget closes what is left of both halves.
func (s *socket) forget() {
	_ = s.caller.Close() // one of them is broken
	_ = s.node.Close()
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	delete(s.relay.sockets, s)
}
