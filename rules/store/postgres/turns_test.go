//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTurnsPassSoon: a lock by a name passes from process to process about as soon as the
// storage's does, also while many others are waited for that don't.
func TestTurnsPassSoon(t *testing.T) {
	for _, others := range []int{0, 20} {
		t.Run(fmt.Sprint(others, " others"), func(t *testing.T) {
			stores := openSeveral(t, newStore(t), 2, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			for i := range others {
				release, err := stores[0].Lock(t.Context(), fmt.Sprint(i))
				ok(t, err)
				defer release()
				all.Go(func() {
					if release, err := stores[1].Lock(ctx, fmt.Sprint(i)); err == nil {
						release()
					}
				})
			}
			var named, storing atomic.Int64
			for _, store := range stores {
				all.Go(func() {
					take(ctx, t, &named, func() (func(), error) { return store.Lock(ctx, "turn") })
				})
				all.Go(func() {
					take(ctx, t, &storing, func() (func(), error) {
						tx, err := store.Begin(ctx)
						if err != nil {
							return nil, err
						}
						return tx.Rollback, nil
					})
				})
			}
			for storing.Load() < 200 && !t.Failed() {
				pause(t, time.Millisecond)
			}
			if n, of := named.Load(), storing.Load(); n < of*2/3 {
				t.Errorf("a lock by a name was had %d times, while the storage's was %d times", n, of)
			}
		})
	}
}

// take takes turns of a few milliseconds, and counts them.
func take(ctx context.Context, t *testing.T, had *atomic.Int64, lock func() (func(), error)) {
	for {
		release, err := lock()
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		had.Add(1)
		pause(t, 2*time.Millisecond)
		release()
	}
}
