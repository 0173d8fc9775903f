package bolt_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// BenchmarkTotals reads what counts against all counters, of a store with few charges
// and of one with 100,000; Inspect is the baseline, which reads all.
func BenchmarkTotals(b *testing.B) {
	for _, charges := range []int{500, 100_000} {
		path := newFile(b)
		store := open(b, path, bolt.Options{})
		for first := 0; first < charges; first += 500 {
			some := make([]rules.Charge, 500)
			for i := range some {
				some[i] = nonce(uint64(first+i), 1000*time.Hour)
			}
			id, err := store.Hold(b.Context(), some)
			if err == nil {
				err = store.Commit(b.Context(), id)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		for name, read := range map[string]func(context.Context) ([]bolt.Counter, error){
			"totals": func(ctx context.Context) ([]bolt.Counter, error) {
				counters, _, err := store.Totals(ctx)
				return counters, err
			},
			"inspect": func(ctx context.Context) ([]bolt.Counter, error) {
				summary, err := bolt.Inspect(ctx, path, time.Now(), false)
				if err != nil {
					return nil, err
				}
				return summary.Counters, nil
			},
		} {
			b.Run(fmt.Sprint(name, "/", charges), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if counters, err := read(b.Context()); err != nil || len(counters) != 1 {
						b.Fatalf("%d counters, %v", len(counters), err)
					}
				}
			})
		}
	}
}
