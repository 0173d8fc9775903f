package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The baseline: every entry has its own write and its own flush, one after the
// other. The numbers are entries, whatever shares a flush.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("log/c=%d", clients), func(b *testing.B) {
			var flushes atomic.Int64
			l := open(b, filepath.Join(b.TempDir(), "audit.log"), Options{Hook: func(point string) {
				if point == PointSynced {
					flushes.Add(1)
				}
			}})
			measure(b, clients, func() error { return l.Append(b.Context(), decision(1)) })
			b.ReportMetric(float64(b.N)/float64(flushes.Load()), "entries/flush")
		})
		b.Run(fmt.Sprintf("baseline/c=%d", clients), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "audit.log"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var mu sync.Mutex
			measure(b, clients, func() error {
				text, err := json.Marshal(decision(1))
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.Write(append(text, '\n')); err != nil {
					return err
				}
				return f.Sync()
			})
		})
	}
}

// measure runs b.N calls from a number of clients, and reports what they took,
// and the processor time of the process.
func measure(b *testing.B, clients int, call func() error) {
	b.Helper()
	times := make([]time.Duration, b.N)
	var next atomic.Int64
	var group sync.WaitGroup
	cpu := processorTime(b)
	b.ResetTimer()
	for range clients {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				start := time.Now()
				if err := call(); err != nil {
					b.Error(err)
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64((processorTime(b)-cpu).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1000, "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1000, "p99-µs")
}

// What an entry costs without a disk.
func BenchmarkEncode(b *testing.B) {
	e, at := decision(1), beginning()
	now := steady()
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		body, err := encodeBody(e)
		if err != nil {
			b.Fatal(err)
		}
		text, at = appendLine(text[:0], at, now, body)
	}
	b.SetBytes(int64(len(text)))
}

func BenchmarkVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.log")
	l := open(b, path, Options{open: openQuick})
	for i := range 15_000 {
		body, err := encodeBody(decision(i))
		if err != nil {
			b.Fatal(err)
		}
		if err := l.enqueue(&pending{body: body, done: make(chan error, 1)}); err != nil {
			b.Fatal(err)
		}
	}
	closeLog(b, l)
	entries := 0
	for b.Loop() {
		entries += int(verify(b, path, VerifyOptions{}).Entries)
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}
