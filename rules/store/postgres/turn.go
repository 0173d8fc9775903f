package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kvclef/kvclef/rules/store"
)

// maxTurns bounds the storage transactions of this process that wait.
const maxTurns = 1024

// turn lets one in at a time, in the order of arrival: a channel serves those who
// wait for it in that order.
type turn struct {
	free    chan struct{}
	closed  chan struct{}
	waiting atomic.Int64
	closing sync.Once
}

func newTurn() *turn {
	t := &turn{free: make(chan struct{}, 1), closed: make(chan struct{})}
	t.free <- struct{}{}
	return t
}

// enter waits for the turn. Leave follows, unless there is an error.
func (t *turn) enter(ctx context.Context) error {
	if t.waiting.Add(1) > maxTurns {
		t.waiting.Add(-1)
		return &store.BusyError{Queue: "storage transactions"}
	}
	defer t.waiting.Add(-1)
	select {
	case <-t.closed:
		return ErrClosed
	default:
	}
	select {
	case <-t.free:
		return nil
	case <-t.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("waiting for a storage transaction: %w", context.Cause(ctx))
	}
}

func (t *turn) leave() { t.free <- struct{}{} }

// close refuses all who wait and who come.
func (t *turn) close() { t.closing.Do(func() { close(t.closed) }) }
