package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules/approval"
)

const (
	maxStreamsEach = 8  // of a session
	maxWaiting     = 64 // changes that a stream has not sent
)

// streams counts the pages that are told of changes.
type streams struct {
	most int

	mu     sync.Mutex
	all    int
	of     map[*session]int
	closed chan struct{}
	wg     sync.WaitGroup
}

func newStreams(most int) *streams {
	return &streams{most: most, of: make(map[*session]int), closed: make(chan struct{})}
}

// enter takes a place for a stream, which leave gives back.
func (s *streams) enter(of *session) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil, false
	default:
	}
	if s.all >= s.most || s.of[of] >= maxStreamsEach {
		return nil, false
	}
	s.all++
	s.of[of]++
	s.wg.Add(1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[of]--; s.of[of] == 0 {
			delete(s.of, of)
		}
		s.wg.Done()
	}, true
}

// close ends all streams, and lets none begin.
func (s *streams) close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// events tells a page of changes as they happen (server-sent events), until its
// session ends. It does not keep the session from being idle.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	cookie := s.cookies.get(r, s.cookies.session)
	of := s.sessions.find(cookie, false)
	if of == nil {
		s.answer(w, r, http.StatusUnauthorized, map[string]string{"error": "The session has ended."})
		return
	}
	if !extapi.Known(r.Context()) {
		return // nobody waits for it
	}
	leave, ok := s.streams.enter(of)
	if !ok {
		w.Header().Set("Retry-After", "30")
		s.answer(w, r, http.StatusServiceUnavailable, map[string]string{"error": "Too many pages are told of changes."})
		return
	}
	defer leave()
	changes, stop := s.cfg.Tickets.Watch(maxWaiting)
	defer stop()
	stream := &stream{w: w, control: http.NewResponseController(w), timeout: s.cfg.WriteTimeout}
	// The server notices by reading that a page is gone: it reads until then.
	if err := stream.control.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // a server in between would hold it back
	s.stream(r, of, cookie, stream, changes)
}

// stream sends changes. What a page has missed before is told at first.
func (s *Server) stream(r *http.Request, of *session, cookie string, to *stream, changes <-chan approval.Change) {
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	if !to.send("marks", map[string]string{"marks": marksOf(s.cfg.Tickets.Tickets())}) {
		return
	}
	for {
		select {
		case change, open := <-changes:
			if !open { // it was too slow, and comes back
				to.send("again", struct{}{})
				return
			}
			if t, err := s.cfg.Tickets.Ticket(change.ID); err == nil && !to.send("ticket", s.rowOf(t, of.person)) {
				return
			}
		case <-beat.C:
			if s.sessions.find(cookie, false) == nil {
				to.send("ended", struct{}{})
				return
			}
			if !to.send("beat", struct{}{}) {
				return
			}
		case <-of.ended:
			to.send("ended", struct{}{})
			return
		case <-s.streams.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream writes events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

// send writes an event; false if the page is gone.
func (s *stream) send(event string, data any) bool {
	text, err := json.Marshal(data) // on one line
	if err != nil {
		return false
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return false
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, text); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
