package keyvault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/emulator"
)

// tally is an observer that counts.
type tally struct {
	mu      sync.Mutex
	counted map[string]int
	now     map[string]int // waiting and in flight
}

func newTally() *tally { return &tally{counted: make(map[string]int), now: make(map[string]int)} }

func (y *tally) count(format string, args ...any) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counted[fmt.Sprintf(format, args...)]++
}

func (y *tally) add(what string, more int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.now[what] += more
}

func (y *tally) Answered(_ context.Context, vault, operation string, status int, took time.Duration) {
	if took <= 0 || !slices.Contains(Operations(), operation) {
		y.count("%s took %v", operation, took)
	}
	y.count("%s %s %d", vault, operation, status)
}
func (y *tally) Waiting(_ string, more int)          { y.add("waiting", more) }
func (y *tally) InFlight(_ string, more int)         { y.add("in flight", more) }
func (y *tally) Retried(vault, operation string)     { y.count("%s %s again", vault, operation) }
func (y *tally) HeldBack(vault string, why HeldBack) { y.count("%s %s", vault, why) }

// expect compares what was counted since the last time.
func (y *tally) expect(t *testing.T, name string, want map[string]int) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	for what, n := range want {
		if y.counted[what] != n {
			t.Errorf("%s: %s %d times, want %d; all: %v", name, what, y.counted[what], n, y.counted)
		}
	}
	if len(y.counted) != len(want) || y.now["waiting"] != 0 || y.now["in flight"] != 0 {
		t.Errorf("%s: counted %v and %v, want %v", name, y.counted, y.now, want)
	}
	clear(y.counted)
}

func TestObserver(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg, seen := config(t, s, "kv-prod"), newTally()
	cfg.Observer, cfg.RequestsPerSecond = seen, -1
	v := opened(t, cfg, fastTuning())
	seen.expect(t, "opening", map[string]int{"kv-prod list 200": 2, "kv-prod get 200": 1})
	account := accountOf(t, v, addressOf(key))
	sign := func() error { _, err := v.Sign(t.Context(), account, common.Hash{1}); return err }

	mustSign(t, t.Context(), v, account, common.Hash{1})
	seen.expect(t, "signing", map[string]int{"kv-prod sign 200": 1})

	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultThrottled, Times: 1})
	if err := sign(); err != nil {
		t.Fatal(err)
	}
	seen.expect(t, "throttled", map[string]int{"kv-prod sign 429": 1, "kv-prod sign 200": 1, "kv-prod sign again": 1})

	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultReset, Times: 3})
	if err := sign(); err == nil {
		t.Fatal("no error")
	}
	seen.expect(t, "no answer", map[string]int{"kv-prod sign 0": 3, "kv-prod sign again": 2})
}
