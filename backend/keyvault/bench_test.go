package keyvault

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/emulator"
)

// BenchmarkSign measures a signature from end to end at a vault that takes a
// given time for it; what is above that time is this package and the SDK, and
// the emulator's own work.
func BenchmarkSign(b *testing.B) {
	for _, latency := range []time.Duration{0, 12 * time.Millisecond, 50 * time.Millisecond} {
		for _, concurrent := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("latency=%v/c=%d", latency, concurrent), func(b *testing.B) {
				s := start(b, emulator.Options{Latency: latency})
				key := createKey(b, s, "treasury", emulator.KeyOptions{})
				cfg := config(b, s, "kv-prod")
				cfg.RequestsPerSecond = -1
				v := opened(b, cfg, defaultTuning())
				account := accountOf(b, v, addressOf(key))
				jobs := make(chan int)
				var wg sync.WaitGroup
				b.ResetTimer()
				for range concurrent {
					wg.Go(func() {
						for i := range jobs {
							if _, err := v.Sign(b.Context(), account, common.Hash{byte(i)}); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for i := range b.N {
					jobs <- i
				}
				close(jobs)
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
			})
		}
	}
}

// BenchmarkOpen measures the start with many keys under the default limit, as
// a multiple of the time that the service's published rate of 400 requests a
// second takes for one request per key.
func BenchmarkOpen(b *testing.B) {
	for _, keys := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			s := start(b, emulator.Options{Latency: 12 * time.Millisecond})
			for i := range keys {
				createKey(b, s, fmt.Sprintf("key-%05d", i), emulator.KeyOptions{})
			}
			for b.Loop() {
				v, err := Open(b.Context(), config(b, s, "kv-prod"))
				if err != nil {
					b.Fatal(err)
				}
				if n := len(v.Accounts()); n != keys {
					b.Fatalf("%d accounts", n)
				}
				v.Close()
			}
			ideal := float64(keys) / 400
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/ideal, "x-rate")
		})
	}
}
