package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestDurable checks what a store still has when it is closed and opened again.
// Create makes an empty one and returns what opens it, which is called once
// after each Close.
func TestDurable(t *testing.T, create func(t *testing.T) (open func(t *testing.T, clock func() time.Time) Store)) {
	for name, story := range map[string]func(*testing.T, func() Store, *Clock){
		"storage": durableStorage,
		"holds":   durableHolds,
		"time":    durableTime,
		"closed":  closed,
		"slots":   durableSlots,
		"random":  durableRandom,
	} {
		t.Run(name, func(t *testing.T) {
			clock := NewClock(start())
			open := create(t)
			story(t, func() Store { return open(t, clock.Now) }, clock)
		})
	}
}

func durableStorage(t *testing.T, open func() Store, _ *Clock) {
	store := open()
	tx := begin(t, store)
	put(t, tx, "committed", "1")
	put(t, tx, "deleted", "1")
	commit(t, tx)
	tx = begin(t, store)
	put(t, tx, "deleted", "")
	commit(t, tx)
	tx = begin(t, store)
	put(t, tx, "flushed", "1")
	ok(t, "flushing", tx.Flush(t.Context()))
	put(t, tx, "put", "1")
	ok(t, "closing with a transaction open", store.Close())

	store = open()
	wantStored(t, store, "committed", "1")
	wantStored(t, store, "deleted", "")
	wantStored(t, store, "flushed", "1")
	wantStored(t, store, "put", "")
	ok(t, "closing", store.Close())
}

func durableHolds(t *testing.T, open func() Store, clock *Clock) {
	store := open()
	committed := hold(t, store, charge("a", 1, 99, time.Hour))
	released := hold(t, store, charge("a", 2, 99, time.Hour))
	unsettled := hold(t, store, charge("a", 4, 99, time.Hour))
	later := hold(t, store, charge("a", 8, 99, 2*time.Hour))
	hold(t, store, charge("b", 1, 99, 1<<63-1))
	ok(t, "committing", store.Commit(t.Context(), committed))
	ok(t, "releasing", store.Release(t.Context(), released))
	ok(t, "closing", store.Close())

	store = open()
	wantUsed(t, store, "a", 13)
	wantUsed(t, store, "b", 1)
	for _, id := range []rules.HoldID{committed, released} {
		refused(t, "committing once more", store.Commit(t.Context(), id))
		refused(t, "releasing once more", store.Release(t.Context(), id))
	}
	ok(t, "releasing a hold of an earlier run", store.Release(t.Context(), unsettled))
	ok(t, "committing a hold of an earlier run", store.Commit(t.Context(), later))
	wantUsed(t, store, "a", 9)
	if id := hold(t, store, charge("a", 16, 99, time.Hour)); id <= later {
		t.Errorf("hold %d has an id that was given before", id)
	}
	ok(t, "closing", store.Close())

	clock.Advance(time.Hour)
	store = open()
	wantUsed(t, store, "a", 8)
	ok(t, "closing", store.Close())
}

// durableTime checks that a clock that was set back between two runs forgets
// nothing early.
func durableTime(t *testing.T, open func() Store, clock *Clock) {
	store := open()
	clock.Advance(10 * time.Hour)
	hold(t, store, charge("a", 1, 9, time.Hour))
	ok(t, "closing", store.Close())

	clock.Set(start())
	store = open()
	hold(t, store, charge("a", 2, 9, time.Hour))
	clock.Set(start().Add(11*time.Hour - 1))
	wantUsed(t, store, "a", 3)
	clock.Advance(1)
	wantUsed(t, store, "a", 0)
	ok(t, "closing", store.Close())
}

// closed checks that a closed store refuses everything.
func closed(t *testing.T, open func() Store, _ *Clock) {
	store := open()
	id := hold(t, store, charge("a", 1, 9, time.Hour))
	tx := begin(t, store)
	put(t, tx, "a", "1")
	waiting := make(chan error, 1)
	go func() {
		_, err := store.Begin(t.Context())
		waiting <- err
	}()
	ok(t, "closing", store.Close())
	ok(t, "closing again", store.Close())
	refused(t, "beginning beside another", <-waiting)
	_, err := tx.Get("b")
	refused(t, "getting", err)
	refused(t, "committing", tx.Commit(t.Context()))
	_, err = store.Begin(t.Context())
	refused(t, "beginning", err)
	_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9, time.Hour)})
	refused(t, "holding", err)
	refused(t, "committing a hold", store.Commit(t.Context(), id))
	refused(t, "releasing a hold", store.Release(t.Context(), id))
}

// durableSlots checks that a slot is known in a later run.
func durableSlots(t *testing.T, open func() Store, clock *Clock) {
	store := open()
	hold(t, store, slotted("a", "1", 5, 9, time.Hour))
	largest := hold(t, store, slotted("a", "1", 7, 9, 2*time.Hour))
	hold(t, store, slotted("b", "1", 7, 9, 2*time.Hour))
	ok(t, "closing", store.Close())

	store = open()
	wantUsed(t, store, "a", 7)
	hold(t, store, slotted("a", "1", 9, 9, time.Minute))
	wantUsed(t, store, "a", 9)
	ok(t, "closing", store.Close())

	clock.Advance(time.Minute)
	store = open()
	wantUsed(t, store, "a", 7)
	ok(t, "releasing what an earlier run held", store.Release(t.Context(), largest))
	wantUsed(t, store, "a", 5)
	clock.Advance(time.Hour)
	wantUsed(t, store, "a", 0)
	wantUsed(t, store, "b", 7)
	ok(t, "closing", store.Close())
}

// durableRandom compares the storage of a store that is closed now and then with
// a model; [TestDurableModel] does that for its ledger.
func durableRandom(t *testing.T, open func() Store, _ *Clock) {
	random := rand.New(rand.NewPCG(5, 13))
	stored := make(map[string]string)
	for range 20 {
		store := open()
		for range 25 {
			randomTransaction(t, random, store, stored)
		}
		ok(t, "closing", store.Close())
	}
}
