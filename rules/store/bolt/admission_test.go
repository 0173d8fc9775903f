package bolt_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// flushing opens a store in which a hold of 30 of 40 is admitted, and is flushed
// when the gate opens.
func flushing(t *testing.T, path string, g *gate) (*bolt.Store, rules.HoldID) {
	t.Helper()
	store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
	g.arm()
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 30, 40)})
	ok(t, err)
	g.wait()
	return store, id
}

// TestAdmission: a hold counts before it is durable, and Sync waits for that.
func TestAdmission(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store, id := flushing(t, path, g)
		durable := make(chan error, 1)
		go func() { durable <- store.Sync(t.Context(), id) }()
		second := make(chan error, 1)
		go func() {
			_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 20, 40)})
			second <- err
		}()
		synctest.Wait()
		select {
		case err := <-durable:
			t.Errorf("durable while it is being flushed: %v", err)
		case err := <-second:
			t.Errorf("another was answered before its transaction: %v", err)
		default:
		}
		if used := len(inspect(t, path).Holds); used != 0 {
			t.Errorf("%d holds are in the file", used)
		}
		g.open()
		ok(t, <-durable)
		if used := len(inspect(t, path).Holds); used != 1 {
			t.Errorf("%d holds are in the file", used)
		}
		var over *rules.OverLimitError
		if err := <-second; !errors.As(err, &over) || over.Used.Uint64() != 30 {
			t.Errorf("the second is answered by %v", err)
		}
		ok(t, store.Sync(t.Context(), id)) // it is durable
		ok(t, store.Release(t.Context(), id))
		for what, err := range map[string]error{
			"waiting for a hold that was given back": store.Sync(t.Context(), id),
			"waiting for no hold":                    store.Sync(t.Context(), 99),
		} {
			if !errors.Is(err, bolt.ErrNoHold) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestAdmissionFails: what was admitted and could not be written does not count,
// and can't be settled.
func TestAdmissionFails(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		fail := false
		store, err := bolt.Open(t.Context(), path, bolt.Options{Clock: noon, Hook: func(point string) {
			if fail && point == "store.before-commit" {
				panic("the disk is gone") // takes the way of an error of bbolt's
			}
		}})
		ok(t, err)
		defer store.Close()
		fail = true
		id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 30, 40)})
		ok(t, err)
		if err := store.Sync(t.Context(), id); err == nil {
			t.Error("durable without a commit")
		}
		for what, err := range map[string]error{
			"syncing": store.Sync(t.Context(), id), "committing": store.Commit(t.Context(), id), "releasing": store.Release(t.Context(), id),
		} {
			if !errors.Is(err, bolt.ErrNoHold) {
				t.Errorf("%s what was not written: %v", what, err)
			}
		}
	})
	if summary := inspect(t, path); len(summary.Holds) != 0 || len(summary.Counters) != 0 {
		t.Errorf("%d holds, %d counters", len(summary.Holds), len(summary.Counters))
	}
}

// TestAdmissionAbandoned: a hold that nobody waits for any more is given back when
// it is written.
func TestAdmissionAbandoned(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store, id := flushing(t, path, g)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := store.Sync(ctx, id); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting without time: %v", err)
		}
		if err := store.Commit(t.Context(), id); !errors.Is(err, bolt.ErrNoHold) {
			t.Errorf("committing what is given back: %v", err)
		}
		g.open()
		synctest.Wait()
		ok(t, store.Attest(t.Context(), rules.Attestation{File: "last"})) // after it, or with it, the hold is given back
		_, err := hold(t.Context(), store, []rules.Charge{charge("a", 40, 40)})
		ok(t, err)
	})
}
