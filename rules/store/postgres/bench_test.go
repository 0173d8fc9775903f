//go:build linux

package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// BenchmarkHold has clients of one store or two hold and commit, of a counter
// that all share and one of their own.
func BenchmarkHold(b *testing.B) {
	for _, handles := range []int{1, 2} {
		for _, clients := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("stores=%d/clients=%d", handles, clients), func(b *testing.B) {
				stores := openSeveral(b, newStore(b), handles, nil)
				var next atomic.Int64
				b.SetParallelism(clients / 2) // of two processors
				if clients == 1 {
					b.SetParallelism(1)
				}
				b.ResetTimer()
				if clients == 1 {
					for i := 0; b.Loop(); i++ {
						holdAndCommit(b, stores[i%handles], "own")
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					client := int(next.Add(1))
					for pb.Next() {
						holdAndCommit(b, stores[client%handles], fmt.Sprint("own/", client))
					}
				})
			})
		}
	}
}

func holdAndCommit(b *testing.B, store rules.Ledger, own string) {
	b.Helper()
	id, err := store.Hold(b.Context(), []rules.Charge{charge("shared", 1, 1<<60), charge(own, 1, 1<<60)})
	if err != nil {
		b.Error(err)
		return
	}
	if err := store.Commit(b.Context(), id); err != nil {
		b.Error(err)
	}
}

// BenchmarkChange has clients change records of their own.
func BenchmarkChange(b *testing.B) {
	stores := openSeveral(b, newStore(b), 2, nil)
	var next atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		client := int(next.Add(1))
		var old []byte
		for i := 0; pb.Next(); i++ {
			value := fmt.Append(nil, i)
			if err := stores[client%2].ChangeRecords(b.Context(), rules.Change{Key: fmt.Sprint("b/", client), Old: old, New: value}); err != nil {
				b.Error(err)
			}
			old = value
		}
	})
}

// BenchmarkStorage has two stores take turns.
func BenchmarkStorage(b *testing.B) {
	stores := openSeveral(b, newStore(b), 2, nil)
	for i := 0; b.Loop(); i++ {
		tx, err := stores[i%2].Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tx.Get("a"); err != nil {
			b.Fatal(err)
		}
		if err := tx.Put("a", fmt.Sprint(i)); err != nil {
			b.Fatal(err)
		}
		if err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
