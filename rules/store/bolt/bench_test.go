//go:build linux || darwin

package bolt_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// concurrently runs a function b.N times from some goroutines.
func concurrently(b *testing.B, call func(b *testing.B, n uint64)) {
	b.Helper()
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("c=", clients), func(b *testing.B) {
			var all sync.WaitGroup
			var next atomic.Uint64
			before := processorTime(b)
			for range clients {
				all.Go(func() {
					for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
						call(b, n)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per-s")
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// processorTime is what this process used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkStorage is a transaction that reads a value and puts another.
func BenchmarkStorage(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	concurrently(b, func(b *testing.B, n uint64) { //nolint:thelper // it is the benchmark
		tx, err := store.Begin(b.Context())
		if err != nil {
			b.Error(err)
			return
		}
		key := fmt.Sprint("key ", n%100)
		if _, err := tx.Get(key); err != nil {
			b.Error(err)
		}
		if err := tx.Put(key, fmt.Sprint(n)); err != nil {
			b.Error(err)
		}
		if err := tx.Commit(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkHold holds and commits a charge.
func BenchmarkHold(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	benchmarkHold(b, store)
}

// BenchmarkHoldFull does the same when the window has 100,000 charges.
func BenchmarkHoldFull(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	charges := make([]rules.Charge, 50)
	for i := range charges {
		charges[i] = charge("daily/0x71562b71999873DB5b286dF957af199Ec94617F7", 1, 1<<60)
	}
	var all sync.WaitGroup
	for range 2000 {
		all.Go(func() {
			if _, err := store.Hold(b.Context(), charges); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	benchmarkHold(b, store)
}

// BenchmarkReserve is a hold that is durable elsewhere, with the file's writes that
// follow.
func BenchmarkReserve(b *testing.B) {
	store := open(b, newFile(b), bolt.Options{})
	var entries atomic.Uint64
	head := func() (seq uint64, hash string) { return entries.Load(), "" }
	if err := store.Rely(b.Context(), bookPath, head); err != nil {
		b.Fatal(err)
	}
	charges := []rules.Charge{charge("daily/0x71562b71999873DB5b286dF957af199Ec94617F7", 1, 1<<60)}
	concurrently(b, func(b *testing.B, _ uint64) { //nolint:thelper // it is the benchmark
		id, reservation, err := store.Reserve(b.Context(), charges)
		if err != nil || reservation == nil {
			b.Errorf("hold %d: %+v, %v", id, reservation, err)
			return
		}
		entries.Add(1)
		if err := store.Commit(b.Context(), id); err != nil {
			b.Error(err)
		}
	})
}

func benchmarkHold(b *testing.B, store *bolt.Store) {
	b.Helper()
	charges := []rules.Charge{charge("daily/0x71562b71999873DB5b286dF957af199Ec94617F7", 1, 1<<60)}
	concurrently(b, func(b *testing.B, _ uint64) { //nolint:thelper // it is the benchmark
		id, err := store.Hold(b.Context(), charges)
		if err != nil {
			b.Error(err)
			return
		}
		if err := store.Commit(b.Context(), id); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkBatch is bbolt's own way to share a flush, for the least of a hold:
// one record and one total.
func BenchmarkBatch(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "baseline.db"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	concurrently(b, func(b *testing.B, n uint64) { //nolint:thelper // it is the benchmark
		err := db.Batch(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte("total"), binary.BigEndian.AppendUint64(nil, n)); err != nil {
				return err
			}
			return bucket.Put(binary.BigEndian.AppendUint64(nil, n), make([]byte, 64))
		})
		if err != nil {
			b.Error(err)
		}
	})
}
