package bolt

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// maxWaiters bounds the storage transactions that wait for their turn.
const maxWaiters = 1024

// queue lets one in at a time, in the order of arrival.
type queue struct {
	mu      sync.Mutex
	busy    bool
	waiters list.List // of chan error, of room for one
	closed  bool
}

// enter waits for the turn. Leave follows, unless there is an error.
func (q *queue) enter(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	turn := make(chan error, 1)
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return ErrClosed
	case !q.busy:
		q.busy = true
		q.mu.Unlock()
		return nil
	case q.waiters.Len() >= maxWaiters:
		q.mu.Unlock()
		return &BusyError{Queue: "storage transactions"}
	}
	place := q.waiters.PushBack(turn)
	q.mu.Unlock()

	select {
	case err := <-turn:
		return err
	case <-ctx.Done():
	}
	q.mu.Lock()
	q.waiters.Remove(place) // nothing, if it is not in the list any more
	q.mu.Unlock()
	select {
	case err := <-turn: // it came at the same time
		if err == nil {
			q.leave()
		}
	default:
	}
	return fmt.Errorf("waiting for a storage transaction: %w", context.Cause(ctx))
}

// leave gives the turn to the next.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next is leave, with the lock.
func (q *queue) next() {
	next := q.waiters.Front()
	if next == nil {
		q.busy = false
		return
	}
	q.waiters.Remove(next)
	give(next, nil)
}

// close refuses all who wait and who come.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for next := q.waiters.Front(); next != nil; next = q.waiters.Front() {
		q.waiters.Remove(next)
		give(next, ErrClosed)
	}
}

func give(place *list.Element, err error) {
	if turn, ok := place.Value.(chan error); ok {
		turn <- err
	}
}
