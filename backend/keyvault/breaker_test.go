package keyvault

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// openCircuit opens the circuit, as an outage would that ends after the given time.
func openCircuit(v *Vault, until time.Time) {
	v.breaker.mu.Lock()
	defer v.breaker.mu.Unlock()
	v.breaker.opened, v.breaker.until = 1, until
}

// inFlight is how many have a turn.
func inFlight(v *Vault) int {
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	return v.gate.inFlight
}

// waiting is how many wait for a turn.
func waiting(v *Vault) int {
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	return v.gate.lines.count
}

// TestProbesAndTurnsDoNotWaitForEachOther: after an outage all turns are taken when a
// request without one comes first, which would probe.
func TestProbesAndTurnsDoNotWaitForEachOther(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.MaxInFlight = 2
	v := opened(t, cfg, fastTuning())
	account := accountOf(t, v, addressOf(key))
	openCircuit(v, time.Now())
	var turns []backend.Turn
	for range cfg.MaxInFlight {
		turn, err := v.Enter(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, turn)
	}
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.Refresh(t.Context()); err != nil {
			t.Errorf("refresh: %v after %v", err, time.Since(began))
		}
	})
	for waiting(v) == 0 {
		<-time.After(time.Millisecond)
	}
	for i, turn := range turns {
		wg.Go(func() {
			defer turn.Leave()
			mustSign(t, turn.Into(t.Context()), v, account, common.Hash{byte(i)})
		})
	}
	wg.Wait()
	if took := time.Since(began); took > v.cfg.TryTimeout {
		t.Errorf("it took %v", took)
	}
}

// TestTurnsAreGivenBackWhileTheCircuitIsOpen: of those who wait for the outcome of a
// probe, too.
func TestTurnsAreGivenBackWhileTheCircuitIsOpen(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.MaxInFlight, cfg.TryTimeout = 3, 300*time.Millisecond
	v := opened(t, cfg, fastTuning())
	account := accountOf(t, v, addressOf(key))
	turn, err := v.Enter(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	openCircuit(v, time.Now().Add(time.Hour))
	if _, err := v.Sign(turn.Into(t.Context()), account, common.Hash{1}); asBackendError(t, err).Kind != backend.KindUnavailable {
		t.Errorf("open: got %v", err)
	}
	if turn.Leave(); inFlight(v) != 0 {
		t.Errorf("%d turns are taken", inFlight(v))
	}
	openCircuit(v, time.Now())
	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultSlow, Delay: time.Hour})
	s.ResetCounts()
	var wg sync.WaitGroup
	for i := range cfg.MaxInFlight { // one probes
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := v.Sign(ctx, account, common.Hash{byte(i)}); asBackendError(t, err).Kind != backend.KindUnavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if inFlight(v) != 0 {
		t.Errorf("%d turns are taken", inFlight(v))
	}
}

// TestTheCircuitOpensOnAVaultThatHangs: also when a call has no more time than one
// request has, by the configuration or by the caller's deadline.
func TestTheCircuitOpensOnAVaultThatHangs(t *testing.T) {
	t.Parallel()
	const short = 200 * time.Millisecond
	for name, c := range map[string]struct {
		try, call, caller time.Duration
		open              bool
	}{
		"a call has as long as a request": {short, short, time.Minute, true},
		"a call has less":                 {time.Hour, short, time.Minute, true},
		"a call has a little more":        {short, short * 5 / 4, time.Minute, true},
		"a caller has as long":            {short, time.Minute, short, true},
		"callers are in a hurry":          {short * 10, time.Minute, short / 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, emulator.Options{})
			key := createKey(t, s, "treasury", emulator.KeyOptions{})
			v := opened(t, config(t, s, "kv-prod"), fastTuning())
			account := accountOf(t, v, addressOf(key))
			v.cfg.TryTimeout, v.cfg.Timeout = min(c.try, c.call), c.call
			s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultSlow, Delay: time.Hour})
			for i := 0; i < v.breaker.count || c.open && v.Answers() && i < 4*v.breaker.count; i++ { // some may begin late
				ctx, cancel := context.WithTimeout(t.Context(), c.caller)
				if _, err := v.Sign(ctx, account, common.Hash{byte(i)}); asBackendError(t, err).NotSigned {
					t.Errorf("got %v", err)
				}
				cancel()
			}
			if v.Answers() == c.open {
				t.Errorf("open is %t", !c.open)
			}
		})
	}
}
