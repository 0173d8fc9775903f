package emulator

import (
	"sync/atomic"
	"testing"
)

func TestGate(t *testing.T) {
	g := newGate()
	for range 2 {
		if !g.enter() {
			t.Fatal("an open gate is shut")
		}
	}
	g.leave()
	g.close()
	if g.enter() {
		t.Error("a shut gate is open")
	}
	var left atomic.Bool
	go func() {
		left.Store(true)
		g.leave()
	}()
	if g.wait(); !left.Load() {
		t.Error("did not wait for who is inside")
	}
}
