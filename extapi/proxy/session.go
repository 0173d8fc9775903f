package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
)

// goodbye is why a session ends: a code and text of the close frame.
type goodbye struct {
	code  int
	text  string
	fault *wireError // what those are told who wait for the node
}

// farewell is a goodbye for a reason of the proxy's, which those are told as well who wait for the
// node: it is not they who hung up.
func farewell(code int, text string) goodbye {
	return goodbye{code, text, &wireError{code: codeFailed, text: "the connection is closed: " + text, outcome: OutcomeCanceled}}
}

func goingAway() goodbye { return farewell(websocket.CloseGoingAway, "the proxy is shutting down") }

// serveWebSocket serves a client until one side hangs up.
func (p *Proxy) serveWebSocket(w http.ResponseWriter, r *http.Request, who extapi.Identity, trail string) {
	if len(r.Header["Idempotency-Key"])+len(r.Header["X-Idempotency-Key"]) > 0 {
		http.Error(w, "header Idempotency-Key is for calls by POST: a connection has many", http.StatusBadRequest)
		return
	}
	if !p.sockets.Enter(who.Principal) {
		p.refused("connection", slog.String("transport", "ws"), slog.String("reason", "too many are open"), slog.String("principal", who.Principal), extapi.RequestAttr(r.Context()))
		http.Error(w, "too many WebSocket connections", http.StatusServiceUnavailable)
		return
	}
	defer p.sockets.Leave(who.Principal)
	upgrader := &websocket.Upgrader{
		HandshakeTimeout: p.cfg.HeaderTimeout,
		CheckOrigin:      func(*http.Request) bool { return true }, // the guard has checked it
		WriteBufferPool:  &p.writeBuffers,
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	ctx, cancel := context.WithCancel(callerContext(withTrail(extapi.Unnumbered(context.WithoutCancel(r.Context())), trail), r, "ws", who.Principal))
	defer cancel()
	s := &session{
		p: p, conn: conn, ctx: ctx, cancel: cancel, opening: r, who: who,
		slots: make(chan struct{}, p.cfg.MaxInFlight), ended: make(chan struct{}),
		free: extapi.FreeAnswers,
	}
	if p.sessions.add(s) {
		defer p.sessions.remove(s)
	} else {
		s.end(goingAway())
	}
	s.serve() //nolint:contextcheck // it has its own, of the connection
}

// session is a WebSocket client.
type session struct {
	p      *Proxy
	conn   *websocket.Conn
	ctx    context.Context //nolint:containedctx // of the calls of the connection, which ends with it
	cancel context.CancelFunc

	opening *http.Request // by which the connection became a WebSocket
	who     extapi.Identity

	slots  chan struct{} // of messages that wait for their answers, see [session.weight]
	free   int64         // of answers, see [extapi.AnswerShare]
	inside bool          // a message has begun; the reading goroutine's own

	running sync.WaitGroup // answers that are made here
	writing sync.Mutex     // of messages
	broken  bool           // a message was begun and can't be completed; with writing

	mu    sync.Mutex
	pipe  *pipe // to the node; nil until a message needs it
	why   *goodbye
	ended chan struct{} // closed with why
}

// serve reads messages until the client hangs up or the session is ended, then
// tells everybody what is to be told.
func (s *session) serve() {
	var pinging sync.WaitGroup
	pinging.Go(s.ping)
	s.conn.SetReadLimit(s.p.cfg.MaxBody)
	s.conn.SetPongHandler(func(string) error {
		if !s.inside {
			s.deadline(2 * s.p.cfg.PingInterval)
		}
		return nil
	})
	for s.next() {
	}
	pipe, why := s.state()
	if why != nil {
		s.finish(pipe, *why)
	}
	s.cancel()
	_ = s.conn.Close() // nothing more is told
	if pipe != nil {
		pipe.close()
		pipe.forget()
	}
	s.running.Wait()
	s.end(goodbye{})
	pinging.Wait()
}

// finish answers what can still be answered, and says goodbye.
func (s *session) finish(pipe *pipe, why goodbye) {
	if pipe != nil {
		if why.code != websocket.CloseGoingAway {
			pipe.close()
		}
		s.drain(pipe.ended)
		pipe.failPending(why.fault)
	}
	s.drain(nil)
	text := websocket.FormatCloseMessage(why.code, why.text)
	_ = s.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(time.Second)) // the client may be gone
}

// drain waits until no message waits for an answer, or until something else has
// ended. No more messages are taken then.
func (s *session) drain(ended <-chan struct{}) {
	free := 0
	defer func() { s.release(free) }()
	for free < cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
			free++
		case <-ended:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// refusal is an error about a message that was for the node, as the client is told it.
func (s *session) refusal(err *wireError) *wireError {
	return s.p.refusal(extapi.NumberedContext(s.ctx), err)
}

// write sends an answer; nil is none.
func (s *session) write(kind int, answer []byte) {
	if answer == nil {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken {
		return // it would seem to be the rest of the other
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.p.cfg.WriteTimeout)) // never fails
	if err := s.conn.WriteMessage(kind, answer); err != nil {
		_ = s.conn.Close() // the reading goroutine notices
	}
}

// end makes the session end, for the first reason that is given.
func (s *session) end(why goodbye) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.why = &why
		close(s.ended)
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reading goroutine
	}
}

// state returns what the session has come to.
func (s *session) state() (*pipe, *goodbye) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pipe, s.why
}

// open begins to pass on what the node sends.
func (s *session) open(l link) *pipe {
	p := &pipe{s: s, link: l, ended: make(chan struct{})}
	s.mu.Lock()
	s.pipe = p
	s.mu.Unlock()
	p.reading.Go(p.read)
	return p
}

// deadline sets the time for reading, unless nothing is to be read any more.
func (s *session) deadline(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		_ = s.conn.SetReadDeadline(time.Now().Add(d)) // fails only on a closed connection
	}
}

// ping asks the client for a sign of life, and looks for calls that the node
// has had too long.
func (s *session) ping() {
	ping, look := time.NewTicker(s.p.cfg.PingInterval), time.NewTicker(s.p.cfg.NodeTimeout/4+1)
	defer ping.Stop()
	defer look.Stop()
	expires, stop := s.expiry()
	defer stop()
	for {
		select {
		case <-expires:
			s.known()
		case <-ping.C:
			// A full pipe to the client shows in the writing of messages.
			_ = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.p.cfg.PingInterval))
			s.known() // who only listens says nothing
		case <-look.C:
			if pipe, _ := s.state(); pipe != nil {
				pipe.expire(time.Now().Add(-s.p.cfg.NodeTimeout))
			}
		case <-s.ended:
			return
		}
	}
}
