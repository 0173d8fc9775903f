package bolt

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
)

// TestTurnIsNotLost gives the turn to one who has just stopped waiting.
func TestTurnIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		if err := q.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- q.enter(ctx) }()
		synctest.Wait()

		q.mu.Lock() // it can't leave its place
		cancel()
		q.next()
		q.mu.Unlock()
		if err := <-gone; err == nil {
			t.Fatal("it has entered")
		}
		if err := q.enter(t.Context()); err != nil {
			t.Error(err)
		}
		q.leave()
		if q.busy || q.waiters.Len() != 0 {
			t.Error("somebody is still there")
		}
	})
}

// TestLapsedAreForgotten bounds what is remembered of holds that nobody settled.
func TestLapsedAreForgotten(t *testing.T) {
	l := ledger{open: make(map[rules.HoldID]bool)}
	for id := range rules.HoldID(3 * maxLapsed) {
		l.add(id)
		l.lapse([]rules.HoldID{id})
	}
	if len(l.open) != len(l.lapsed) || len(l.open) < maxLapsed || len(l.open) > 2*maxLapsed {
		t.Errorf("%d are open and %d lapsed, of at most %d", len(l.open), len(l.lapsed), 2*maxLapsed)
	}
	if lapsed, err := l.take(3*maxLapsed - 1); !lapsed || err != nil {
		t.Errorf("the last: %v, %v", lapsed, err)
	}
	if _, err := l.take(1); err == nil {
		t.Error("the first is remembered")
	}
}
