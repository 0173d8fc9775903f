package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

func slotted(counter, slot string, amount, limit uint64, window time.Duration) rules.Charge {
	c := charge(counter, amount, limit, window)
	c.Slot = slot
	return c
}

// slots checks that of a slot the largest counts alone, and what was outdone
// comes back.
func slots(t *testing.T, ledger Ledger, _ *Clock) {
	first := hold(t, ledger, slotted("a", "nonce 1", 60, 100, time.Hour))
	hold(t, ledger, slotted("a", "nonce 1", 50, 100, time.Hour)) // a replacement by less
	wantUsed(t, ledger, "a", 60)
	third := hold(t, ledger, slotted("a", "nonce 1", 80, 100, time.Hour))
	wantUsed(t, ledger, "a", 80)

	// Another slot, another counter and no slot are by themselves.
	hold(t, ledger, slotted("a", "nonce 2", 5, 100, time.Hour))
	hold(t, ledger, slotted("b", "nonce 1", 100, 100, time.Hour))
	hold(t, ledger, charge("a", 3, 100, time.Hour), charge("a", 3, 100, time.Hour))
	wantUsed(t, ledger, "a", 91)

	_, err := ledger.Hold(t.Context(), []rules.Charge{slotted("a", "nonce 1", 90, 100, time.Hour)})
	var over *rules.OverLimitError
	if !errors.As(err, &over) || over.Used != units(91) || over.Raise != units(10) {
		t.Fatalf("10 more than the 9 that are left: %v", err)
	}
	hold(t, ledger, slotted("a", "nonce 1", 89, 100, time.Hour))
	wantUsed(t, ledger, "a", 100)
	hold(t, ledger, slotted("a", "nonce 1", 89, 100, time.Hour), slotted("a", "nonce 1", 1, 100, time.Hour))
	wantUsed(t, ledger, "a", 100)

	ok(t, "releasing the smaller", ledger.Release(t.Context(), first))
	wantUsed(t, ledger, "a", 100)
	ok(t, "committing", ledger.Commit(t.Context(), third))
	wantUsed(t, ledger, "a", 100)

	// Two of a slot in one hold: the larger counts, whichever comes first.
	id := hold(t, ledger, slotted("c", "1", 4, 9, time.Hour), slotted("c", "1", 9, 9, time.Hour), slotted("c", "1", 6, 9, time.Hour))
	wantUsed(t, ledger, "c", 9)
	ok(t, "releasing them", ledger.Release(t.Context(), id))
	wantUsed(t, ledger, "c", 0)
}

// slotWindows has the charges of a slot expire in another order than they were
// held.
func slotWindows(t *testing.T, ledger Ledger, clock *Clock) {
	hold(t, ledger, slotted("a", "1", 5, 100, 3*time.Hour))
	hold(t, ledger, slotted("a", "1", 9, 100, time.Hour))
	hold(t, ledger, slotted("a", "1", 7, 100, 2*time.Hour))
	largest := hold(t, ledger, slotted("a", "1", 20, 100, 2*time.Hour))
	wantUsed(t, ledger, "a", 20)
	ok(t, "releasing the largest", ledger.Release(t.Context(), largest))
	for _, want := range []uint64{9, 7, 5, 0} {
		wantUsed(t, ledger, "a", want)
		clock.Advance(time.Hour)
	}
}

// fullSlot fills a slot: nothing more is held until there is room in it.
func fullSlot(t *testing.T, ledger Ledger, clock *Clock) {
	charges := repeat(slotted("a", "1", 3, 9, time.Hour), rules.MaxInSlot-1)
	hold(t, ledger, charges...)
	last := hold(t, ledger, slotted("a", "1", 2, 9, time.Hour))
	full := func(charges ...rules.Charge) {
		t.Helper()
		id, err := ledger.Hold(t.Context(), charges)
		var slot *rules.SlotError
		if !errors.As(err, &slot) || id != 0 {
			t.Fatalf("a slot that is full: hold %d, %v", id, err)
		}
	}
	full(slotted("a", "1", 1, 9, time.Hour))
	full(slotted("b", "1", 1, 9, time.Hour), slotted("a", "1", 1, 9, time.Hour))
	full(repeat(slotted("b", "1", 1, 9, time.Hour), rules.MaxInSlot+1)...)
	wantUsed(t, ledger, "b", 0)
	hold(t, ledger, slotted("a", "2", 1, 9, time.Hour), charge("a", 1, 9, time.Hour))
	wantUsed(t, ledger, "a", 5)

	ok(t, "releasing", ledger.Release(t.Context(), last))
	hold(t, ledger, slotted("a", "1", 4, 9, time.Hour))
	full(slotted("a", "1", 1, 9, time.Hour))
	clock.Advance(time.Hour)
	hold(t, ledger, slotted("a", "1", 1, 9, time.Hour))
	wantUsed(t, ledger, "a", 1)
}

// loweredCap holds what raises nothing, although more is used than the cap.
func loweredCap(t *testing.T, ledger Ledger, _ *Clock) {
	hold(t, ledger, slotted("a", "1", 60, 100, time.Hour), slotted("a", "2", 30, 100, time.Hour))
	hold(t, ledger, slotted("a", "1", 60, 50, time.Hour))
	hold(t, ledger, slotted("a", "1", 0, 50, time.Hour), charge("a", 0, 50, time.Hour))
	wantOver(t, ledger, 90, slotted("a", "1", 61, 50, time.Hour))
	wantOver(t, ledger, 90, slotted("a", "3", 1, 50, time.Hour))
	wantUsed(t, ledger, "a", 90)
}

// usage tells what is held and what is spent, by slots too.
func usage(t *testing.T, ledger Ledger, clock *Clock) {
	check := func(used, held uint64, next time.Time) {
		t.Helper()
		hold(t, ledger, charge("b", 0, 1, time.Hour)) // what was committed is written with it
		want := rules.Usage{Used: units(used), Held: units(held), Next: next}
		if got, err := ledger.Usage(t.Context(), "a"); err != nil || got != want {
			t.Fatalf("%s used, %s held, next %v, %v; want %d, %d, %v", got.Used.Dec(), got.Held.Dec(), got.Next, err, used, held, next)
		}
	}
	check(0, 0, time.Time{})
	first := hold(t, ledger, slotted("a", "1", 5, 100, time.Hour))
	second := hold(t, ledger, slotted("a", "1", 9, 100, 2*time.Hour), charge("a", 1, 100, 2*time.Hour))
	check(10, 10, start().Add(time.Hour))
	ok(t, "committing", ledger.Commit(t.Context(), first))
	check(10, 5, start().Add(time.Hour)) // 5 are spent already
	ok(t, "committing", ledger.Commit(t.Context(), second))
	check(10, 0, start().Add(time.Hour))
	clock.Advance(time.Hour)
	check(10, 0, start().Add(2*time.Hour))
	clock.Advance(time.Hour)
	if got, err := ledger.Usage(t.Context(), "a"); err != nil || got != (rules.Usage{}) { // nothing was taken off by a hold yet
		t.Fatalf("%+v, %v", got, err)
	}
	check(0, 0, time.Time{})
}

// room is when a charge that was refused may be tried again.
func room(t *testing.T, ledger Ledger, clock *Clock) {
	for _, amount := range []uint64{10, 20, 30} {
		hold(t, ledger, charge("a", amount, 100, time.Hour))
		hold(t, ledger, charge("b", amount, 100, time.Minute))
		clock.Advance(time.Minute)
	}
	hold(t, ledger, slotted("a", "1", 40, 100, 1<<63-1))
	for _, tt := range []struct {
		charge rules.Charge
		want   time.Time
	}{
		{charge("a", 1, 100, time.Hour), start().Add(60 * time.Minute)},
		{charge("a", 11, 100, time.Hour), start().Add(61 * time.Minute)},
		{slotted("a", "1", 100, 100, time.Hour), start().Add(62 * time.Minute)},
		{charge("a", 61, 100, time.Hour), time.Time{}},        // the slot is never free
		{slotted("a", "1", 101, 100, time.Hour), time.Time{}}, // it is more than the limit
	} {
		_, err := ledger.Hold(t.Context(), []rules.Charge{tt.charge})
		var over *rules.OverLimitError
		if !errors.As(err, &over) || !over.Room.Equal(tt.want) {
			t.Errorf("%v: %v, want room from %v", tt.charge, err, tt.want)
		}
	}
}
