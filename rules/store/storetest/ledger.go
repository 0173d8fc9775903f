package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// TestLedger checks a ledger. Open returns an empty one that goes by a clock.
func TestLedger(t *testing.T, open func(t *testing.T, clock func() time.Time) Ledger) {
	for name, story := range map[string]func(*testing.T, Ledger, *Clock){
		"caps":            caps,
		"all or none":     allOrNone,
		"settling":        settling,
		"refused charges": badCharges,
		"large amounts":   largeAmounts,
		"lifted limits":   lifted,
		"lent room":       lent,
		"two limits":      beside,
		"windows":         windows,
		"window passed":   windowPassed,
		"clock set back":  clockSetBack,
		"abandoned":       abandonedHold,
		"race":            race,
		"race of holds":   raceOfHolds,
		"slots":           slots,
		"slot windows":    slotWindows,
		"full slot":       fullSlot,
		"lowered cap":     loweredCap,
		"usage":           usage,
		"room":            room,
		"race of slots":   raceOfSlots,
	} {
		t.Run(name, func(t *testing.T) {
			clock := NewClock(start())
			story(t, open(t, clock.Now), clock)
		})
	}
}

func caps(t *testing.T, ledger Ledger, _ *Clock) {
	hold(t, ledger, charge("a", 60, 100, time.Hour))
	hold(t, ledger, charge("a", 40, 100, time.Hour))
	hold(t, ledger, charge("a", 0, 100, time.Hour))
	wantOver(t, ledger, 100, charge("a", 1, 100, time.Hour))
	hold(t, ledger, charge("b", 100, 100, time.Hour))
	hold(t, ledger, charge("a", 5, 105, time.Hour))
	wantOver(t, ledger, 105, charge("a", 1, 100, time.Hour)) // lowered since
	wantUsed(t, ledger, "a", 105)

	_, err := ledger.Hold(t.Context(), []rules.Charge{charge("a", 7, 100, time.Hour)})
	var over *rules.OverLimitError
	if !errors.As(err, &over) || over.Charge != charge("a", 7, 100, time.Hour) {
		t.Errorf("the charge that was refused is not told: %v", err)
	}
}

func allOrNone(t *testing.T, ledger Ledger, _ *Clock) {
	wantOver(t, ledger, 0, charge("a", 10, 10, time.Hour), charge("b", 11, 10, time.Hour))
	wantUsed(t, ledger, "a", 0)
	wantUsed(t, ledger, "b", 0)

	// Two charges of a counter count twice.
	wantOver(t, ledger, 6, charge("a", 6, 10, time.Hour), charge("a", 5, 10, time.Hour))
	wantUsed(t, ledger, "a", 0)
	id := hold(t, ledger, charge("a", 6, 10, time.Hour), charge("b", 1, 10, time.Hour), charge("a", 4, 10, time.Hour))
	wantUsed(t, ledger, "a", 10)
	wantUsed(t, ledger, "b", 1)
	ok(t, "releasing", ledger.Release(t.Context(), id))
	wantUsed(t, ledger, "a", 0)
	wantUsed(t, ledger, "b", 0)
}

func settling(t *testing.T, ledger Ledger, _ *Clock) {
	committed, released := hold(t, ledger, charge("a", 1, 9, time.Hour)), hold(t, ledger, charge("a", 2, 9, time.Hour))
	hold(t, ledger, charge("a", 4, 9, time.Hour)) // settled by nobody
	wantUsed(t, ledger, "a", 7)
	ok(t, "committing", ledger.Commit(t.Context(), committed))
	wantUsed(t, ledger, "a", 7)
	ok(t, "releasing", ledger.Release(t.Context(), released))
	wantUsed(t, ledger, "a", 5)
	for _, id := range []rules.HoldID{committed, released, 0, 1 << 60} {
		refused(t, "committing once more", ledger.Commit(t.Context(), id))
		refused(t, "releasing once more", ledger.Release(t.Context(), id))
	}
	wantUsed(t, ledger, "a", 5)
}

func badCharges(t *testing.T, ledger Ledger, _ *Clock) {
	good := charge("a", 1, 9, time.Hour)
	for name, charges := range map[string][]rules.Charge{
		"none":             {},
		"no counter":       {good, charge("", 1, 9, time.Hour)},
		"a long counter":   {good, charge(strings.Repeat("c", 1<<16), 1, 9, time.Hour)},
		"no window":        {good, charge("b", 1, 9, 0)},
		"a window behind":  {good, charge("b", 1, 9, -time.Hour)},
		"a long slot":      {good, {Counter: "a", Slot: strings.Repeat("s", 1<<16), Cap: units(9), Window: time.Hour}},
		"too many charges": repeat(good, 1<<16),
	} {
		id, err := ledger.Hold(t.Context(), charges)
		var over *rules.OverLimitError
		if err == nil || id != 0 || errors.As(err, &over) {
			t.Errorf("%s: hold %d, %v", name, id, err)
		}
	}
	wantUsed(t, ledger, "a", 0)
}

func repeat(charge rules.Charge, n int) []rules.Charge {
	charges := make([]rules.Charge, n)
	for i := range charges {
		charges[i] = charge
	}
	return charges
}

// largeAmounts checks that 256 bits are counted, and that a sum beyond them is
// over every cap.
func largeAmounts(t *testing.T, ledger Ledger, _ *Clock) {
	all := *new(uint256.Int).SetAllOne()
	most := *new(uint256.Int).SubUint64(&all, 1)
	hold(t, ledger, rules.Charge{Counter: "a", Amount: most, Cap: all, Window: time.Hour})
	for _, amount := range []uint256.Int{units(2), most, all} {
		_, err := ledger.Hold(t.Context(), []rules.Charge{{Counter: "a", Amount: amount, Cap: all, Window: time.Hour}})
		var over *rules.OverLimitError
		if !errors.As(err, &over) || over.Used != most {
			t.Fatalf("%s more than %s: %v", amount.Dec(), most.Dec(), err)
		}
	}
	hold(t, ledger, rules.Charge{Counter: "a", Amount: units(1), Cap: all, Window: 1<<63 - 1})
}

func windows(t *testing.T, ledger Ledger, clock *Clock) {
	for i := range 4 {
		hold(t, ledger, charge("a", 1<<i, 15, time.Hour))
		hold(t, ledger, charge("b", 1<<i, 15, 2*time.Hour))
		clock.Advance(10 * time.Minute)
	}
	clock.Set(start().Add(time.Hour - 1))
	wantUsed(t, ledger, "a", 15)
	clock.Advance(1)
	wantUsed(t, ledger, "a", 14)
	hold(t, ledger, charge("a", 1, 15, time.Hour))
	wantOver(t, ledger, 15, charge("a", 1, 15, time.Hour))
	clock.Set(start().Add(80 * time.Minute))
	wantUsed(t, ledger, "a", 9)
	wantUsed(t, ledger, "b", 15)

	// Each charge has its own window, if a counter was given several.
	hold(t, ledger, charge("c", 1, 15, 3*time.Minute))
	hold(t, ledger, charge("c", 2, 15, time.Minute))
	clock.Advance(time.Minute)
	wantUsed(t, ledger, "c", 1)
	clock.Advance(2 * time.Minute)
	wantUsed(t, ledger, "c", 0)

	clock.Advance(1000 * time.Hour)
	for _, counter := range []string{"a", "b", "c"} {
		wantUsed(t, ledger, counter, 0)
	}
}

// windowPassed settles holds that no longer count: who holds one does not know.
func windowPassed(t *testing.T, ledger Ledger, clock *Clock) {
	committed, released := hold(t, ledger, charge("a", 1, 9, time.Hour)), hold(t, ledger, charge("a", 2, 9, time.Hour))
	both := hold(t, ledger, charge("a", 4, 9, time.Hour), charge("b", 1, 9, 2*time.Hour))
	clock.Advance(time.Hour)
	wantUsed(t, ledger, "a", 0)
	hold(t, ledger, charge("a", 8, 9, time.Hour))
	ok(t, "committing late", ledger.Commit(t.Context(), committed))
	ok(t, "releasing late", ledger.Release(t.Context(), released))
	refused(t, "committing late, once more", ledger.Commit(t.Context(), committed))
	refused(t, "releasing late, once more", ledger.Release(t.Context(), released))
	wantUsed(t, ledger, "a", 8)
	wantUsed(t, ledger, "b", 1)
	ok(t, "releasing what is left", ledger.Release(t.Context(), both))
	wantUsed(t, ledger, "a", 8)
	wantUsed(t, ledger, "b", 0)
}

// clockSetBack checks that a clock that is set back forgets nothing early.
func clockSetBack(t *testing.T, ledger Ledger, clock *Clock) {
	hold(t, ledger, charge("a", 1, 9, time.Hour))
	clock.Set(start().Add(-1000 * time.Hour))
	hold(t, ledger, charge("a", 2, 9, time.Hour))
	wantUsed(t, ledger, "a", 3)
	clock.Set(start().Add(time.Hour - 1))
	wantUsed(t, ledger, "a", 3)
	clock.Set(start().Add(time.Hour))
	wantUsed(t, ledger, "a", 0)

	// A time at which something was taken off is not gone back behind either, though
	// nothing was held then.
	hold(t, ledger, charge("b", 1, 9, 10*time.Minute), charge("b", 2, 9, 3*time.Hour))
	clock.Advance(time.Hour)
	wantOver(t, ledger, 2, charge("b", 8, 9, time.Hour))
	clock.Set(start())
	hold(t, ledger, charge("b", 4, 9, time.Hour))
	clock.Set(start().Add(3*time.Hour - 1))
	wantUsed(t, ledger, "b", 6)
	clock.Advance(1)
	wantUsed(t, ledger, "b", 2)
}

func abandonedHold(t *testing.T, ledger Ledger, _ *Clock) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	id, err := ledger.Hold(gone, []rules.Charge{charge("a", 1, 9, time.Hour)})
	if id != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("holding when nobody waits: hold %d, %v", id, err)
	}
	wantUsed(t, ledger, "a", 0)
}
