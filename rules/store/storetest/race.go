package storetest

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// race has all clients hold of one counter until none is left: the cap is used
// up to its last unit, and never passed.
func race(t *testing.T, ledger Ledger, _ *Clock) {
	const limit = 1000
	var all sync.WaitGroup
	var total atomic.Int64
	for client := range clients {
		all.Go(func() {
			for amount := uint64(1 + client%7); amount > 0; {
				_, err := ledger.Hold(t.Context(), []rules.Charge{charge("a", amount, limit, time.Hour)})
				var over *rules.OverLimitError
				switch {
				case err == nil:
					if sum := total.Add(int64(amount)); sum > limit {
						t.Errorf("%d are held of %d", sum, limit)
						return
					}
				case errors.As(err, &over):
					amount--
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if total.Load() != limit {
		t.Errorf("%d are held of %d when none is left", total.Load(), limit)
	}
	wantUsed(t, ledger, "a", limit)
}

// raceOfHolds has all clients hold, commit and release: what is committed and
// what is still held is never more than the cap, and in the end the rest is
// there.
func raceOfHolds(t *testing.T, ledger Ledger, _ *Clock) {
	const limit = 100
	var all sync.WaitGroup
	var inFlight, spent atomic.Int64 // lower bounds of what is held and spent
	for client := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 5))
			for range 12 {
				amount := 1 + random.Int64N(9)
				id, err := ledger.Hold(t.Context(), []rules.Charge{charge("a", uint64(amount), limit, time.Hour), charge(strconv.Itoa(client), 1, 1, time.Hour)})
				var over *rules.OverLimitError
				if errors.As(err, &over) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if sum := inFlight.Add(amount); sum > limit {
					t.Errorf("%d are held of %d", sum, limit)
				}
				// A client's own counter has room for one: its last hold was released.
				if random.IntN(8) == 0 {
					spent.Add(amount)
					err = ledger.Commit(t.Context(), id)
				} else {
					inFlight.Add(-amount)
					err = ledger.Release(t.Context(), id)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	wantUsed(t, ledger, "a", uint64(spent.Load()))
	hold(t, ledger, charge("a", uint64(limit-spent.Load()), limit, time.Hour))
	wantOver(t, ledger, limit, charge("a", 1, limit, time.Hour))
}

// raceOfSlots has all clients replace the same transactions: never is more held
// than the cap, and in the end the largest that was committed of each counts.
func raceOfSlots(t *testing.T, ledger Ledger, _ *Clock) {
	const limit, nonces = 60, 8
	var all sync.WaitGroup
	var mu sync.Mutex
	largest := make(map[string]uint64)
	for client := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 7))
			for range 12 {
				c := charge("a", 1+random.Uint64N(15), limit, time.Hour)
				c.Slot = strconv.Itoa(random.IntN(nonces))
				id, err := ledger.Hold(t.Context(), []rules.Charge{c})
				var over *rules.OverLimitError
				if errors.As(err, &over) {
					if over.Used.Uint64() > limit {
						t.Errorf("%s are used of %d", over.Used.Dec(), limit)
					}
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if random.IntN(3) == 0 {
					mu.Lock()
					largest[c.Slot] = max(largest[c.Slot], c.Amount.Uint64())
					mu.Unlock()
					err = ledger.Commit(t.Context(), id)
				} else {
					err = ledger.Release(t.Context(), id)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var sum uint64
	for _, amount := range largest {
		sum += amount
	}
	if sum > limit {
		t.Errorf("%d are spent of %d", sum, limit)
	}
	wantUsed(t, ledger, "a", sum)
	hold(t, ledger, charge("a", limit-sum, limit, time.Hour))
	wantOver(t, ledger, limit, charge("a", 1, limit, time.Hour))
}
