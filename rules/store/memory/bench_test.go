package memory_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// BenchmarkHold holds and commits a charge when the counter has many live ones,
// and none.
func BenchmarkHold(b *testing.B) {
	for _, live := range []int{0, 100_000} {
		b.Run("live="+strconv.Itoa(live), func(b *testing.B) {
			now := time.Unix(1e9, 0)
			ledger := memory.NewLedger(func() time.Time { return now })
			hold := func(n int, window time.Duration) {
				id, err := ledger.Hold(b.Context(), []rules.Charge{{
					Counter: "daily/value", Slot: strconv.Itoa(n), Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(1 << 60), Window: window,
				}})
				if err == nil {
					err = ledger.Commit(b.Context(), id)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			for n := range live {
				hold(n, 1000*time.Hour)
			}
			b.ReportAllocs()
			for n := live; b.Loop(); n++ {
				now = now.Add(time.Microsecond)
				hold(n, time.Millisecond)
			}
		})
	}
}
