package keyvault

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// gate keeps the requests to a vault within its limits: a rate, a number in
// flight, and the pauses that the vault asks for. Requests wait their turn in
// order, and those whose turn would come too late are turned away at once.
type gate struct {
	limiter  *rate.Limiter // nil: no limit
	slots    chan struct{}
	throttle time.Duration // pause after the first 429 without Retry-After

	mu       sync.Mutex
	paused   time.Time     // until when
	declared time.Time     // when the pause was declared
	waves    int           // pauses in a row without a success
	typical  time.Duration // how long a request takes, a moving average
	queued   int           // waiting for a slot
}

// newGate spreads the rate so that no 10-second window, which is how the
// service counts, exceeds ten times the rate: a burst of a tenth of a second
// and 99 % of the rate.
func newGate(unitsPerSecond float64, largest, inFlight int, throttle time.Duration) *gate {
	g := &gate{slots: make(chan struct{}, inFlight), throttle: throttle}
	if unitsPerSecond > 0 {
		burst := max(int(unitsPerSecond/10), largest)
		g.limiter = rate.NewLimiter(rate.Limit(unitsPerSecond*0.99), burst)
	}
	return g
}

// enter waits until a request of the given cost may be sent. It returns false
// and when to try again if that time is later than the context's deadline.
func (g *gate) enter(ctx context.Context, cost int) (ok bool, retryAfter time.Duration) {
	if wait := g.ahead(); wait > 0 && !fits(ctx, wait) {
		return false, wait
	}
	if g.limiter != nil {
		turn := g.limiter.ReserveN(time.Now(), cost)
		if wait := turn.Delay(); !fits(ctx, wait) || !sleep(ctx, wait) {
			turn.Cancel()
			return false, wait
		}
	}
	if !g.take(ctx) {
		return false, time.Second
	}
	if wait := g.pause(); wait > 0 {
		if !fits(ctx, wait) || !sleep(ctx, wait) {
			<-g.slots
			return false, wait
		}
	}
	return true, 0
}

func (g *gate) take(ctx context.Context) bool {
	g.queue(1)
	defer g.queue(-1)
	select {
	case g.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *gate) queue(n int) {
	g.mu.Lock()
	g.queued += n
	g.mu.Unlock()
}

// ahead estimates the wait for a pause and for the requests in the queue.
func (g *gate) ahead() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	queue := g.typical * time.Duration(g.queued) / time.Duration(cap(g.slots))
	return max(0, time.Until(g.paused)) + queue
}

func (g *gate) pause() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.paused))
}

// charge counts units that turned out to be due after the request was sent.
func (g *gate) charge(units int) {
	if g.limiter != nil && units > 0 {
		g.limiter.ReserveN(time.Now(), units)
	}
}

// leave ends a request that began at the given time.
func (g *gate) leave(began time.Time, answered bool) {
	<-g.slots
	g.mu.Lock()
	defer g.mu.Unlock()
	took := time.Since(began)
	if g.typical == 0 {
		g.typical = took
	}
	g.typical += (took - g.typical) / 16
	if answered && began.After(g.declared) {
		g.waves = 0
	}
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
