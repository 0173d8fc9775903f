package memory

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// A total is what the usage of the counter has, at any time.
func TestTotalIsTheUsage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 6))
	now := time.Unix(0, 0)
	l := NewLedger(func() time.Time { return now })
	for range 2000 {
		now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		id, err := l.Hold(t.Context(), []rules.Charge{{
			Counter: "a", Slot: []string{"", "x", "y"}[random.IntN(3)], Amount: *uint256.NewInt(random.Uint64N(9)), Cap: *uint256.NewInt(1000), Window: time.Minute,
		}})
		if err == nil && random.IntN(3) == 0 {
			err = l.Release(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		usage, err := l.Usage(t.Context(), "a")
		if total := l.Total("a"); err != nil || total != usage.Used {
			t.Fatalf("total %v, used %v, %v", &total, &usage.Used, err)
		}
	}
	if total := l.Total("b"); !total.IsZero() {
		t.Errorf("%v of nothing", &total)
	}
}
