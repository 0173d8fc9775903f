package emulator_test

import (
	"net/http"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
)

// BenchmarkSign is the floor of every benchmark that uses the emulator as its
// vault: a signature by HTTP/2 over TLS, without an SDK.
func BenchmarkSign(b *testing.B) {
	s := start(b, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		b.Fatal(err)
	}
	c := newRaw(b, s, "dev", true)
	for b.Loop() {
		if status, _ := c.call(b, http.MethodPost, "/keys/k/sign", signBody()); status != http.StatusOK {
			b.Fatal(status)
		}
	}
}

// BenchmarkSignParallel is the same from many callers at once.
func BenchmarkSignParallel(b *testing.B) {
	s := start(b, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		b.Fatal(err)
	}
	c := newRaw(b, s, "dev", true)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if status, _ := c.call(b, http.MethodPost, "/keys/k/sign", signBody()); status != http.StatusOK {
				b.Error(status)
			}
		}
	})
}
