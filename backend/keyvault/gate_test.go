package keyvault

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The tests of time run in synctest's bubbles, where time passes only while
// everybody waits: they are exact and take none.

func TestGateKeepsTenSecondWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(400, 1, 64, 2048, time.Second)
		var times []time.Time
		for range 10_000 {
			if ok, _ := g.enter(t.Context(), 1); !ok {
				t.Fatal("turned away without a deadline")
			}
			times = append(times, time.Now())
			g.leave(time.Now(), true)
		}
		const jitter = 99 * time.Millisecond // of the way to the vault
		for i := range len(times) - 4000 {
			if window := times[i+4000].Sub(times[i]); window < 10*time.Second+jitter {
				t.Fatalf("4001 requests within %v, want %v more than 10 s", window, jitter)
			}
		}
		if took := times[len(times)-1].Sub(times[0]); took > 25500*time.Millisecond {
			t.Errorf("10,000 requests took %v, want at most 2 %% above 25 s", took)
		}
	})
}

func TestGateTurnsAwayWhatWouldComeTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(10, 1, 64, 2048, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var entered, turned atomic.Int32
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				ok, wait := g.enter(ctx, 1)
				if !ok {
					turned.Add(1)
					if wait <= 0 || time.Since(began) > 0 {
						t.Errorf("turned away after %v with a wait of %v, want at once", time.Since(began), wait)
					}
					return
				}
				entered.Add(1)
				g.leave(time.Now(), true)
			})
		}
		wg.Wait()
		if n := entered.Load(); n < 9 || n > 11 || turned.Load() != 100-n {
			t.Errorf("%d entered in a second at 10 a second", n)
		}
	})
}

func TestGateCapsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(-1, 1, 8, 2048, time.Second)
		var now, most atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if ok, _ := g.enter(t.Context(), 1); !ok {
					t.Error("turned away without a deadline")
					return
				}
				n := now.Add(1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				began := time.Now()
				<-time.After(50 * time.Millisecond)
				now.Add(-1)
				g.leave(began, true)
			})
		}
		wg.Wait()
		if most.Load() != 8 {
			t.Errorf("%d in flight, want 8", most.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 8 {
			g.enter(ctx, 1)
		}
		if ok, _ := g.enter(ctx, 1); ok {
			t.Error("a ninth entered")
		}
	})
}

func TestGatePausesAfterThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(-1, 1, 8, 2048, time.Second)
		began := time.Now()
		<-time.After(time.Millisecond)
		if wait := g.throttled(began, 0); wait != time.Second {
			t.Errorf("first pause %v, want 1 s", wait)
		}
		for range 5 { // of the same wave: they were sent before
			if wait := g.throttled(began, 0); wait > time.Second {
				t.Errorf("pause lengthened to %v by its own wave", wait)
			}
		}
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if ok, wait := g.enter(short, 1); ok || wait <= 0 {
			t.Errorf("got %v, %v: want a refusal with the rest of the pause", ok, wait)
		}
		if ok, _ := g.enter(t.Context(), 1); !ok || time.Since(began) < time.Second {
			t.Errorf("entered after %v", time.Since(began))
		}
		for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second} {
			if wait := g.throttled(time.Now(), 0); wait != want {
				t.Errorf("pause %d is %v, want %v", i+2, wait, want)
			}
			<-time.After(want)
		}
		again := time.Now()
		<-time.After(time.Millisecond)
		g.leave(again, true)
		if wait := g.throttled(time.Now(), 0); wait != time.Second {
			t.Errorf("after a success the pause is %v, want 1 s", wait)
		}
		if wait := g.throttled(time.Now(), 7*time.Second); wait != 7*time.Second {
			t.Errorf("Retry-After: pause %v, want 7 s", wait)
		}
		if wait := g.throttled(time.Now(), time.Second); wait != 7*time.Second {
			t.Errorf("a shorter Retry-After: pause %v, want the 7 s that were asked for", wait)
		}
		before := time.Now().Add(-time.Second)
		g.throttled(time.Now(), 0)
		if g.leave(before, true); g.waves == 0 {
			t.Error("a success from before the pause says that it is over")
		}
	})
}

// TestATurnForSomebodyWhoIsGone is given back: it came as they left.
func TestATurnForSomebodyWhoIsGone(t *testing.T) {
	g := newGate(-1, 1, 1, 8, time.Second)
	if ok, _ := g.enter(t.Context(), 1); !ok {
		t.Fatal("no turn")
	}
	g.abandon(&waiter{line: &line{name: "a", weight: 1}, cost: 1, turn: true})
	if g.inFlight != 0 {
		t.Errorf("%d in flight", g.inFlight)
	}
}

func TestTurnsAndThoseWhoAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := testVault(false)
		v.gate = newGate(-1, 1, 8, 8, time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if ok, _ := v.gate.enter(gone, 1); ok || v.gate.inFlight != 0 {
			t.Errorf("who is gone has a turn: %v, %d", ok, v.gate.inFlight)
		}
		if ok, _ := v.gate.enter(t.Context(), 1); !ok {
			t.Fatal("no turn")
		}
		entered := &turn{vault: v, cost: 1}
		v.gate.throttled(time.Now(), time.Second)
		if entered.use(v, 1) || v.gate.inFlight != 0 {
			t.Errorf("a turn from before the pause is used, or not given back: %d", v.gate.inFlight)
		}
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{count: 3, span: 100 * time.Millisecond, openFor: time.Second}
		enter := func(wantProbe bool, wantWait time.Duration) {
			t.Helper()
			if probe, wait := b.enter(t.Context()); probe != wantProbe || wait != wantWait {
				t.Fatalf("got %v, %v, want %v, %v", probe, wait, wantProbe, wantWait)
			}
		}
		for range 10 { // all at once: one broken connection
			enter(false, 0)
			b.leave(false, outage)
		}
		enter(false, 0)
		<-time.After(100 * time.Millisecond)
		b.leave(false, outage)
		enter(false, time.Second) // open
		<-time.After(time.Second)
		enter(true, 0)
		b.leave(false, outage) // a request from before it opened
		b.leave(true, outage)
		enter(false, 2*time.Second)
		<-time.After(2 * time.Second)

		enter(true, 0)
		waiting := make(chan error, 8)
		for range 8 { // wait for the probe's outcome
			go func() {
				probe, wait := b.enter(t.Context())
				if probe || wait != 0 {
					waiting <- errors.New("not let in after the probe")
					return
				}
				b.leave(false, alive)
				waiting <- nil
			}()
		}
		synctest.Wait()
		b.leave(true, alive)
		for range 8 {
			if err := <-waiting; err != nil {
				t.Error(err)
			}
		}
		enter(false, 0)
	})
}

func TestBreakerPassesOnAProbeThatShowedNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{count: 1, openFor: time.Second}
		b.leave(false, outage)
		<-time.After(time.Second)
		if probe, _ := b.enter(t.Context()); !probe {
			t.Fatal("no probe")
		}
		b.leave(true, inconclusive) // its caller went away
		if probe, wait := b.enter(t.Context()); !probe || wait != 0 {
			t.Errorf("got %v, %v, want another probe", probe, wait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if probe, wait := b.enter(ctx); probe || wait == 0 {
			t.Errorf("got %v, %v for a caller that is gone", probe, wait)
		}
		b.leave(true, alive)
	})
}

func TestRetryBudget(t *testing.T) {
	b := &retryBudget{tokens: 2, most: 2}
	for i, want := range []bool{true, true, false} {
		if b.spend() != want {
			t.Errorf("retry %d is granted: %v", i, !want)
		}
	}
	for range 11 {
		b.earn()
	}
	if !b.spend() || b.spend() {
		t.Error("want one retry for ten successes")
	}
}
