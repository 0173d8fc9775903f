package soak_test

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
)

const (
	rounds  = 20
	warming = 4 // rounds, of which no sample is taken: pools fill, tables are read

	// few is the least number of requests: it finds what is lost with each connection
	// or each request; a day finds the rest.
	few = 1000
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// size is how many requests are made: the environment's SOAK_REQUESTS. Without it
// there is no soak.
func size(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SOAK_REQUESTS")
	if text == "" {
		t.Skip("SOAK_REQUESTS is not set: make soak")
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < few {
		t.Fatalf("SOAK_REQUESTS is %q, want a number from %d", text, few)
	}
	return size
}

// TestSoak asks for a day's requests, and wants nothing to be left of them but what
// they leave on the disk.
func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads Linux's /proc")
	}
	requests := size(t)
	program, err := proxied.Build(t.Context(), t.TempDir())
	ok(t, err)
	geth, err := devnet.Geth(t.Context())
	ok(t, err)
	node, err := devnet.StartDev(t.Context(), geth, t.TempDir(), nil)
	ok(t, err)
	t.Cleanup(func() { ok(t, node.Stop()) })
	for _, rules := range []string{"policy.yaml", "rules.js"} {
		t.Run(rules, func(t *testing.T) { soak(t, start(t, program, node.HTTP(), rules), requests) })
	}
}

func soak(t *testing.T, on *stage, requests int) {
	t.Helper()
	l := &load{stage: on}
	began := time.Now()
	idle, err := l.sample(t.Context())
	ok(t, err)
	idle.print(t)
	var samples []sample
	for round := range rounds {
		ok(t, l.round(t.Context(), requests/rounds))
		s := l.settled(t, idle)
		s.print(t)
		if round >= warming {
			samples = append(samples, s)
		}
		l.certify(t)
		l.reload(t, round)
	}
	signed, failed := l.signed.Load(), len(l.failed)
	t.Logf("%s: %d signatures, %d faults of the vault, %d signatures refused for them", time.Since(began).Round(time.Millisecond), signed, l.faults.Load(), failed)
	for _, err := range l.failed[:min(failed, 10)] {
		t.Log(err)
	}
	// A fault is tried again, or costs one signature; few have those beside them fail.
	if most := 2 * l.faults.Load(); int64(failed) > most {
		t.Errorf("%d signatures failed with %d faults of the vault, want at most %d", failed, l.faults.Load(), most)
	}
	if want := int64(requests) / 2; signed < want {
		t.Errorf("%d signatures of %d requests, want %d or more", signed, requests, want)
	}
	for _, wrong := range steady(samples) {
		t.Error(wrong)
	}
}

// settled waits until what callers had open is gone, and returns what there is then.
func (l *load) settled(t *testing.T, idle sample) sample {
	t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.After(20*time.Second)
	defer again.Stop()
	for {
		s, err := l.sample(t.Context())
		ok(t, err)
		goroutines, descriptors := idle.goroutines+slack*perConnection, idle.descriptors+slack
		if s.goroutines <= goroutines && s.descriptors <= descriptors {
			return s
		}
		select {
		case <-again.C:
		case <-late:
			s.print(t)
			t.Fatalf("20 s after the last caller hung up there are %.0f goroutines and %.0f descriptors, want at most %.0f and %.0f as at the start",
				s.goroutines, s.descriptors, goroutines, descriptors)
		}
	}
}
