//go:build linux || darwin

package bolt_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// BenchmarkChangeRecords adds a record of 500 bytes.
func BenchmarkChangeRecords(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	value := make([]byte, 500)
	var next atomic.Uint64
	concurrently(b, func(b *testing.B, _ uint64) { //nolint:thelper // it is the benchmark
		key := fmt.Sprint("tx/", next.Add(1))
		if err := store.ChangeRecords(b.Context(), rules.Change{Key: key, New: value}); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkRecord reads one of 500 bytes.
func BenchmarkRecord(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	value := make([]byte, 500)
	for i := range 100 {
		if err := store.ChangeRecords(b.Context(), rules.Change{Key: fmt.Sprint("tx/", i), New: value}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := store.Record(b.Context(), fmt.Sprint("tx/", n%100)); err != nil {
			b.Fatal(err)
		}
	}
}
