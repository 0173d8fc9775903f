package bolt_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestReleaseThatFails has a release share a transaction that fails: the hold counts, and
// is given back when it is tried again, once.
func TestReleaseThatFails(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var unset atomic.Bool
		store := open(t, path, bolt.Options{Hook: g.hook, Clock: func() time.Time {
			if unset.Load() {
				return time.Time{} // with which the transaction of a hold fails
			}
			return noon()
		}})
		id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 7, 10)})
		ok(t, err)
		var all sync.WaitGroup
		g.arm()
		all.Go(func() { put(t, store, "a", "1") })
		g.wait()
		unset.Store(true)
		all.Go(func() {
			if err := store.Release(t.Context(), id); err == nil || errors.Is(err, bolt.ErrNoHold) {
				t.Errorf("released in a transaction that fails: %v", err)
			}
		})
		all.Go(func() {
			if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 10)}); err == nil {
				t.Error("it held something at no time")
			}
		})
		synctest.Wait()
		g.open()
		all.Wait()
		unset.Store(false)
		if n := used(t, store, "a"); n != 7 {
			t.Errorf("it counts %d after a release that failed", n)
		}
		ok(t, store.Release(t.Context(), id))
		if err := store.Release(t.Context(), id); !errors.Is(err, bolt.ErrNoHold) {
			t.Errorf("released twice: %v", err)
		}
		if n := used(t, store, "a"); n != 0 {
			t.Errorf("it counts %d after the release", n)
		}
	})
}
