package bolt_test

import (
	"sync/atomic"
)

// gate stops the writer before it makes a transaction durable, and counts the
// transactions.
type gate struct {
	armed   atomic.Bool
	reached chan struct{}
	release chan struct{}
	commits atomic.Int64
}

func newGate() *gate { return &gate{reached: make(chan struct{}), release: make(chan struct{})} }

// hook is for the options of a store.
func (g *gate) hook(point string) {
	if point != "store.before-commit" {
		return
	}
	g.commits.Add(1)
	if g.armed.CompareAndSwap(true, false) {
		g.reached <- struct{}{}
		<-g.release
	}
}

// arm stops the next transaction; then wait tells that it has stopped.
func (g *gate) arm()  { g.armed.Store(true) }
func (g *gate) wait() { <-g.reached }
func (g *gate) open() { g.release <- struct{}{} }
