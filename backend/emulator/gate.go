package emulator

import "sync"

// gate counts what is under way and can be shut: after shut returns, nothing is
// under way and nothing can start. A WaitGroup alone would not do, since a
// request may start while the server is closing.
type gate struct {
	mu     sync.Mutex
	idle   sync.Cond
	inside int
	closed bool
}

func newGate() *gate {
	g := &gate{}
	g.idle.L = &g.mu
	return g
}

// enter reports whether the caller may start; if so it must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 {
		g.idle.Broadcast()
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.inside > 0 {
		g.idle.Wait()
	}
}
