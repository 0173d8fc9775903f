package proxy

import (
	"context"
	"fmt"
	"sync"
)

// sessions is the WebSocket clients that are connected.
type sessions struct {
	mu     sync.Mutex
	open   map[*session]struct{}
	closed bool
	gone   sync.WaitGroup
}

// add keeps a session. False: no more are served.
func (s *sessions) add(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[one] = struct{}{}
	s.gone.Add(1)
	return true
}

func (s *sessions) remove(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
	s.gone.Done()
}

// close tells every client that the proxy goes away, and waits until the last
// call has been answered; when the context ends it hangs up.
func (s *sessions) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for one := range s.open {
		one.end(goingAway())
	}
	s.mu.Unlock()
	gone := make(chan struct{})
	go func() {
		s.gone.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	left := len(s.open)
	for one := range s.open {
		one.cancel()
		_ = one.conn.Close() // it has been told
	}
	s.mu.Unlock()
	<-gone
	if left == 0 {
		return nil
	}
	return fmt.Errorf("closing %d WebSocket connections with unanswered calls: %w", left, ctx.Err())
}
