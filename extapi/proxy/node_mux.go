package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

var errShutdown = errors.New("the proxy is shutting down")

// muxNode is a node at the other end of a few links that all callers without
// one of their own share.
type muxNode struct {
	dialer dialer
	failed func(context.Context, error)
	places []*place
	noting *place // for messages with notifications: a node may complain of one under no id
	turn   atomic.Uint64
}

func newMuxNode(t target, cfg Config, failed func(context.Context, error)) *muxNode {
	n := &muxNode{dialer: dialer{t, cfg}, failed: failed, places: make([]*place, cfg.NodeLinks)}
	for i := range n.places {
		n.places[i] = newPlace(n)
	}
	n.noting = newPlace(n)
	return n
}

// placeFor returns the place whose turn it is.
func (n *muxNode) placeFor(calls []message) *place {
	for i := range calls {
		if calls[i].id == nil {
			return n.noting
		}
	}
	return n.places[n.turn.Add(1)%uint64(len(n.places))]
}

// ask sends calls as one message, on the link whose turn it is.
func (n *muxNode) ask(ctx context.Context, room *share, calls []message) []reply {
	g := &group{calls: calls, room: room, done: make(chan struct{})}
	mux, err := n.placeFor(calls).enter(ctx, g)
	if err != nil {
		n.failed(ctx, err)
		return failAll(calls, errNodeDown)
	}
	defer mux.leave(g)
	if err := mux.link.send(websocket.TextMessage, renumbered(calls, g.first)); err != nil {
		n.failed(ctx, err)
		mux.link.close() // what was sent may be half a message
		return failAll(calls, errNodeCut)
	}
	if silent(calls) {
		return sentOnly(calls)
	}
	timer := time.NewTimer(n.dialer.cfg.NodeTimeout)
	defer timer.Stop()
	select {
	case <-g.done:
		return g.replies
	case <-timer.C:
		return failAll(calls, errNodeSlow)
	case <-ctx.Done():
		return failAll(calls, errHungUp)
	}
}

func (n *muxNode) close() {
	for _, p := range n.places {
		p.close()
	}
	n.noting.close()
}

// place is where one link is, opened when it is needed.
type place struct {
	node     *muxNode
	dialling chan struct{} // held by who opens the link

	mu      sync.Mutex
	mux     *mux // nil when there is none
	closed  bool
	reading sync.WaitGroup
}

func newPlace(n *muxNode) *place { return &place{node: n, dialling: make(chan struct{}, 1)} }

// enter puts a group on the link, open.
func (p *place) enter(ctx context.Context, g *group) (*mux, error) {
	wait, cancel := context.WithTimeout(ctx, p.node.dialer.cfg.DialTimeout)
	defer cancel()
	select {
	case p.dialling <- struct{}{}:
	case <-wait.Done():
		return nil, fmt.Errorf("waiting for a link: %w", wait.Err())
	}
	defer func() { <-p.dialling }()
	p.mu.Lock()
	mux, closed := p.mux, p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return nil, errShutdown
	case mux != nil && mux.enter(g):
		return mux, nil
	}
	link, err := p.node.dialer.dial(wait, "") // it is not this caller's alone
	if err != nil {
		return nil, err
	}
	mux = newMux(link, p.node.dialer.cfg)
	mux.enter(g)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		link.close()
		return nil, errShutdown
	}
	p.mux = mux
	p.reading.Go(func() { p.node.failed(context.Background(), mux.read()) }) //nolint:contextcheck // of no caller alone
	return mux, nil
}

// close closes the link and waits until nobody reads it.
func (p *place) close() {
	p.mu.Lock()
	p.closed = true
	mux := p.mux
	p.mu.Unlock()
	if mux != nil {
		mux.link.close()
	}
	p.reading.Wait()
}
