package bolt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestTotalsOfAnIdleStore: what has expired is taken off by the first reading, and not
// passed over by each; and the charge that is left tells when it no longer counts.
func TestTotalsOfAnIdleStore(t *testing.T) {
	now := noon()
	path := newFile(t)
	store := open(t, path, bolt.Options{Clock: func() time.Time { return now }})
	month := charge("month", 3, 1000)
	month.Window = 30 * 24 * time.Hour
	for n := range 4 {
		charges := []rules.Charge{}
		for i := range 250 {
			charges = append(charges, slotted("hour", fmt.Sprint(n, "/", i), 1, 10_000))
		}
		if n == 0 {
			charges[0] = month
		}
		id, err := store.Hold(t.Context(), charges)
		ok(t, err)
		ok(t, store.Commit(t.Context(), id))
	}
	now = now.Add(2 * time.Hour)
	for range 2 {
		counters, holds, err := store.Totals(t.Context())
		ok(t, err)
		if len(counters) != 1 || counters[0].Name != "month" || counters[0].Used.Uint64() != 3 || counters[0].Charges != 1 ||
			!counters[0].Next.Equal(noon().Add(month.Window)) || holds != 0 {
			t.Errorf("it tells %+v, %d holds", counters, holds)
		}
	}
	ok(t, store.Close())
	if records := inspect(t, path).Counters; len(records) != 1 {
		t.Errorf("it holds %+v", records)
	}
}
