package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// gate counts the calls that a service answers, however they came, and can be shut.
// The zero value is open.
type gate struct {
	mu     sync.Mutex
	shut   bool
	inside int
	empty  func() // called when nobody is inside any more; nil: nobody waits for that
}

var errGateShut = errors.New("the service is being stopped")

// set shuts the gate, or opens it, and returns how many calls are being answered.
func (g *gate) set(shut bool) (inside int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	return g.inside
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.tell()
}

// end shuts the gate for good, and has a function called when nobody is inside.
func (g *gate) end(empty func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.empty = true, empty
	g.tell()
}

// tell calls whoever waits until nobody is inside. Whoever calls it has the lock.
func (g *gate) tell() {
	if g.inside == 0 && g.empty != nil {
		g.empty()
		g.empty = nil
	}
}

// around returns the methods with the gate before them. A nil gate is none.
func (g *gate) around(methods map[string]proxy.Method) map[string]proxy.Method {
	if g == nil {
		return methods
	}
	guarded := maps.Clone(methods)
	for name, method := range methods {
		guarded[name] = func(ctx context.Context, params json.RawMessage) (any, error) {
			if !g.enter() {
				return nil, errGateShut
			}
			defer g.leave()
			return method(ctx, params)
		}
	}
	return guarded
}
