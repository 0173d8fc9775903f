package keyvault

import (
	"context"
	"sync"
	"time"

	"github.com/kvclef/kvclef/backend"
)

// gate keeps the requests to a vault within its limits: a rate, a number in
// flight, and the pauses that the vault asks for. Callers take turns, see
// [lines]; those whose turn would come too late are turned away at once.
type gate struct {
	rate     float64 // units per second; 0: no limit
	burst    float64
	slots    int
	throttle time.Duration // pause after the first 429 without Retry-After

	mu       sync.Mutex
	units    float64   // that may be spent now; negative: were spent already
	filled   time.Time // when units was right
	inFlight int
	lines    *lines
	timer    *time.Timer   // for the next turn, while somebody waits for the rate or a pause
	paused   time.Time     // until when
	declared time.Time     // when the pause was declared
	waves    int           // pauses in a row without a success
	typical  time.Duration // how long a request takes, a moving average
}

// newGate spreads the rate so that no 10-second window, which is how the
// service counts, exceeds ten times the rate: a burst of a tenth of a second
// and 98 % of the rate. What is left, another tenth of a second, is for requests
// that take longer to the vault than those that follow them: one 429 costs more,
// a pause of a second.
func newGate(unitsPerSecond float64, largest, inFlight, waiting int, throttle time.Duration) *gate {
	g := &gate{slots: inFlight, throttle: throttle, filled: time.Now(), lines: newLines(waiting, largest)}
	if unitsPerSecond > 0 {
		g.rate = unitsPerSecond * 0.98
		g.burst = max(float64(int(unitsPerSecond/10)), float64(largest))
		g.units = g.burst
	}
	return g
}

// enter waits until a request of the given cost may be sent, which then ends with
// leave or giveBack. It returns false and when to try again if that time is later
// than the context's deadline.
func (g *gate) enter(ctx context.Context, cost int) (ok bool, retryAfter time.Duration) {
	caller := backend.CallerOf(ctx)
	g.mu.Lock()
	wait := g.ahead(caller, cost)
	if !fits(ctx, wait) || ctx.Err() != nil {
		g.mu.Unlock()
		return false, wait
	}
	if g.lines.count == 0 && wait <= 0 && g.inFlight < g.slots {
		g.grant(cost)
		g.mu.Unlock()
		return true, 0
	}
	waiting, displaced := g.lines.push(caller, cost)
	if displaced != nil {
		close(displaced.ended)
	}
	g.serve()
	g.mu.Unlock()
	if waiting == nil {
		return false, max(wait, time.Second)
	}
	select {
	case <-waiting.ended:
	case <-ctx.Done():
		return false, g.abandon(waiting)
	}
	if !waiting.turn {
		return false, max(wait, time.Second)
	}
	return true, 0
}

// abandon takes a request out of its line, or gives back the turn that it has got
// meanwhile. It returns when to try again.
func (g *gate) abandon(w *waiter) (retryAfter time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.turn {
		g.refund(w.cost)
	} else {
		g.lines.remove(w)
	}
	g.serve()
	return max(g.ahead(backend.Caller{Name: w.line.name, Weight: w.line.weight}, w.cost), time.Second)
}

// serve gives turns to those who wait, as long as there are any to give. Whoever
// calls it has the lock.
func (g *gate) serve() {
	for next := g.lines.next(); next != nil && g.inFlight < g.slots; next = g.lines.next() {
		if wait := g.untilFree(next.cost); wait > 0 {
			g.wake(wait)
			return
		}
		g.lines.serve(next)
		g.grant(next.cost)
		next.turn = true
		close(next.ended)
	}
	if g.timer != nil {
		g.timer.Stop() // nobody waits, or for a slot, which leave tells of
	}
}

// wake serves after a wait.
func (g *gate) wake(wait time.Duration) {
	if g.timer != nil {
		g.timer.Reset(wait)
		return
	}
	g.timer = time.AfterFunc(wait, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.serve()
	})
}

func (g *gate) grant(cost int) {
	g.inFlight++
	if g.rate > 0 {
		g.fill()
		g.units -= float64(cost)
	}
}

func (g *gate) refund(cost int) {
	g.inFlight--
	if g.rate > 0 {
		g.units = min(g.burst, g.units+float64(cost))
	}
}

// fill adds the units of the time since it was called last.
func (g *gate) fill() {
	now := time.Now()
	g.units = min(g.burst, g.units+now.Sub(g.filled).Seconds()*g.rate)
	g.filled = now
}

// untilFree returns how long it takes until pause and rate let units pass.
func (g *gate) untilFree(units int) time.Duration {
	pause := max(0, time.Until(g.paused))
	if g.rate <= 0 {
		return pause
	}
	g.fill()
	missing := float64(units) - min(g.burst, g.units+pause.Seconds()*g.rate)
	if missing <= 1e-6 { // less is the rounding of what was added bit by bit
		return pause
	}
	return pause + time.Duration(missing/g.rate*float64(time.Second)) + time.Nanosecond
}

// ahead estimates how long a request of a caller would wait now: for a pause, and
// for those that come before it.
func (g *gate) ahead(caller backend.Caller, cost int) time.Duration {
	units, count := g.lines.before(caller, cost)
	wait := g.untilFree(units + cost)
	if missing := count + 1 - (g.slots - g.inFlight); missing > 0 {
		wait = max(wait, max(0, time.Until(g.paused))+g.typical*time.Duration(missing)/time.Duration(g.slots))
	}
	return wait
}

// load says how much of what the vault can do is in use, from 0 to 1.
func (g *gate) load() float64 {
	load := float64(g.inFlight) / float64(g.slots)
	if g.rate > 0 {
		g.fill()
		load = max(load, 1-g.units/g.burst)
	}
	return load
}

// outlook returns how long a request of a caller would wait now, and the load.
func (g *gate) outlook(caller backend.Caller, cost int) (wait time.Duration, load float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ahead(caller, cost), g.load()
}

// isPaused reports whether the vault asked for a pause that is not over.
func (g *gate) isPaused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.paused) > 0
}

// charge counts units that turned out to be due after the request was sent.
func (g *gate) charge(units int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rate > 0 && units > 0 {
		g.fill()
		g.units -= float64(units)
	}
}

// giveBack ends a request that was let in and never sent.
func (g *gate) giveBack(cost int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refund(cost)
	g.serve()
}

// leave ends a request that was sent at the given time.
func (g *gate) leave(began time.Time, answered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	took := time.Since(began)
	if g.typical == 0 {
		g.typical = took
	}
	g.typical += (took - g.typical) / 16
	if answered && began.After(g.declared) {
		g.waves = 0
	}
	g.serve()
}

// throttled takes in a 429. Those of requests that were sent before the last
// pause was declared belong to it and do not lengthen it. It returns when the
// vault may be asked again.
func (g *gate) throttled(began time.Time, retryAfter time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if retryAfter <= 0 && began.Before(g.declared) {
		return max(g.throttle, time.Until(g.paused))
	}
	if retryAfter <= 0 {
		retryAfter = g.throttle << min(g.waves, 4)
		g.waves++
	}
	now := time.Now()
	g.declared = now
	if until := now.Add(retryAfter); until.After(g.paused) {
		g.paused = until
	}
	return time.Until(g.paused)
}

// fits reports whether the context leaves time for a wait.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// sleep waits, or returns false when the context ends first.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
