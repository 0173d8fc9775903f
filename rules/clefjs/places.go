package clefjs

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// places bounds how many calls run at the same time. The time limit of a call
// is one by the clock: were thousands run at once, each would be slow, and be
// stopped for what is not its fault, and each has a machine's memory.
//
// A call that has the storage needs no place, for only one can have it; and
// one that waits for the storage gives its place back, so that nobody who has
// the storage waits for those who want it.
type places chan struct{}

// newPlaces returns as many places as keep the processors busy.
func newPlaces() places { return make(places, max(4, 2*runtime.GOMAXPROCS(0))) }

// enter waits for a place. What it returns gives the place back, and may be
// called again. The error is a *BusyError if the wait was too long.
func (p places) enter(ctx context.Context, patience time.Duration) (leave func(), err error) {
	leave = sync.OnceFunc(func() { <-p })
	select {
	case p <- struct{}{}:
		return leave, nil
	default:
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	started := time.Now()
	select {
	case p <- struct{}{}:
		return leave, nil
	case <-wait.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("waiting for other calls of the rule file to end: %w", err)
	}
	return nil, &BusyError{For: "other calls of the rule file to end", Wait: time.Since(started).Round(time.Millisecond), Err: wait.Err()}
}

// Calls returns how many calls run, and how many may at the same time. A call that
// holds the storage is not among them: it needs no place.
func (r *Ruleset) Calls() (running, most int) { return len(r.places), cap(r.places) }
