package policysuggest

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestTotalsAreThoseOfALedger: with any charges and any clock.
func TestTotalsAreThoseOfALedger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1e9, 0)
		var totals rolling
		ledger := memory.NewLedger(func() time.Time { return now })
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-3, 12).Draw(rt, "hours")) * time.Hour)
			var charges []rules.Charge
			for n := range rapid.IntRange(1, 3).Draw(rt, "charges") {
				amount := uint256.NewInt(rapid.Uint64Range(0, 5).Draw(rt, "amount"))
				if rapid.IntRange(0, 9).Draw(rt, "absurd") == 0 {
					amount.SetAllOne()
				}
				charges = append(charges, rules.Charge{
					Counter: strconv.Itoa(n), Slot: "s" + strconv.Itoa(rapid.IntRange(0, 3).Draw(rt, "slot")), Amount: *amount,
					Cap: *new(uint256.Int).SetAllOne(), Window: window,
				})
			}
			_, err := ledger.Hold(t.Context(), charges)
			why := totals.add(charges, now)
			var over *rules.OverLimitError
			if errors.As(err, &over) != (why == whyAmount) || (err == nil) != (why == "") {
				rt.Fatalf("%v, %q", err, why)
			}
			for n := range 3 {
				usage, err := ledger.Usage(t.Context(), strconv.Itoa(n))
				if total := totals.total(strconv.Itoa(n)); err != nil || usage.Used != total {
					rt.Fatalf("counter %d: %s, and the ledger has %s, %v", n, total.Dec(), usage.Used.Dec(), err)
				}
			}
		}
	})
}
