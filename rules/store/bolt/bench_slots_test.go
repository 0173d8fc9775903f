package bolt_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

const benchCounter = "daily/value/account=0x71562b71999873db5b286df957af199ec94617f7"

// nonce is the charge of a transaction.
func nonce(n uint64, window time.Duration) rules.Charge {
	c := slotted(benchCounter, fmt.Sprintf("1/0x71562b71999873db5b286df957af199ec94617f7/%d", n), 1, 1<<60)
	c.Window = window
	return c
}

// BenchmarkSlots holds and commits charges with slots, in turn in a store with
// 100,000 live charges of the counter and in one with none, and compares them.
func BenchmarkSlots(b *testing.B) {
	empty, full := open(b, newFile(b), bolt.Options{}), open(b, newFile(b), bolt.Options{})
	fillSlots(b, full, 100_000)
	var next atomic.Uint64
	next.Store(1 << 20)
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("c=", clients), func(b *testing.B) {
			const round = 256
			var took [2]time.Duration
			for done := 0; done < b.N; done += round {
				for i, store := range []*bolt.Store{empty, full} {
					began := time.Now()
					holdSlots(b, store, &next, clients, round)
					took[i] += time.Since(began)
				}
			}
			rounds := (b.N + round - 1) / round * round
			b.ReportMetric(float64(rounds)/took[0].Seconds(), "empty-per-s")
			b.ReportMetric(float64(rounds)/took[1].Seconds(), "full-per-s")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "full/empty")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func fillSlots(b *testing.B, store *bolt.Store, n uint64) {
	b.Helper()
	var all sync.WaitGroup
	for first := uint64(0); first < n; first += 500 {
		charges := make([]rules.Charge, 500)
		for i := range charges {
			charges[i] = nonce(first+uint64(i), 1000*time.Hour)
		}
		all.Go(func() {
			if _, err := store.Hold(b.Context(), charges); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

// holdSlots holds and commits a number of charges, which soon expire.
func holdSlots(b *testing.B, store *bolt.Store, next *atomic.Uint64, clients, n int) {
	b.Helper()
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				id, err := store.Hold(b.Context(), []rules.Charge{nonce(next.Add(1), 100*time.Millisecond)})
				if err == nil {
					err = store.Commit(b.Context(), id)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkRefusal asks for more than is left of a counter with 100,000 live
// charges, and is told when there is room.
func BenchmarkRefusal(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	fillSlots(b, store, 100_000)
	c := nonce(1<<20, time.Hour)
	c.Cap = *uint256.NewInt(100_000)
	b.ReportAllocs()
	for b.Loop() {
		var over *rules.OverLimitError
		if _, err := store.Hold(b.Context(), []rules.Charge{c}); !errors.As(err, &over) || over.Room.IsZero() {
			b.Fatal(err)
		}
	}
}
