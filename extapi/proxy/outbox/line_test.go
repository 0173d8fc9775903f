package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queued has n requests of a caller wait, each of which notes when it is its turn and
// ends it.
func queued(ctx context.Context, group *sync.WaitGroup, l *line, caller string, n, most int, note func(string)) {
	for range n {
		group.Go(func() {
			if err := l.enter(ctx, caller, most); err != nil {
				note(caller + ": " + err.Error())
				return
			}
			note(caller)
			l.leave()
		})
		synctest.Wait()
	}
}

// TestCallersTakeTurns: one who sends many keeps nobody waiting for all of them.
func TestCallersTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			l     line
			mu    sync.Mutex
			got   []string
			group sync.WaitGroup
		)
		note := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, text)
		}
		if err := l.enter(t.Context(), "a", 6); err != nil {
			t.Fatal(err)
		}
		queued(t.Context(), &group, &l, "a", 6, 6, note)
		queued(t.Context(), &group, &l, "a", 1, 6, note) // is one too many
		queued(t.Context(), &group, &l, "b", 2, 6, note) // takes two places of a
		queued(t.Context(), &group, &l, "c", 1, 6, note)
		queued(t.Context(), &group, &l, "b", 1, 6, note) // takes none: a has no more than b would
		l.leave()
		group.Wait()
		full := ": " + errFullLine.Error()
		want := fmt.Sprint([]string{"a" + full, "a" + full, "a" + full, "a" + full, "b" + full, "a", "b", "c", "a", "b", "a"})
		if fmt.Sprint(got) != want {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if l.held || l.waiting != 0 || len(l.of) != 0 || len(l.next) != 0 {
			t.Errorf("something is left: %+v", &l)
		}
	})
}

// TestGivenUpTurns: a request that is given up leaves the turn to others, whenever that is.
func TestGivenUpTurns(t *testing.T) {
	t.Parallel()
	var (
		l     line
		group sync.WaitGroup
		turn  sync.Mutex
	)
	for i := range 64 {
		group.Go(func() {
			for n := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*7+n)%50)*time.Microsecond)
				err := l.enter(ctx, fmt.Sprint(i%5), 40)
				if err == nil {
					if !turn.TryLock() {
						t.Error("it is the turn of two")
					} else {
						runtime.Gosched()
						turn.Unlock()
					}
					l.leave()
				} else if !errors.Is(err, errFullLine) && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	if l.held || l.waiting != 0 || len(l.of) != 0 || len(l.next) != 0 {
		t.Errorf("something is left: %+v", &l)
	}
}
