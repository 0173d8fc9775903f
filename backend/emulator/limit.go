package emulator

import (
	"net/http"
	"sync"
	"time"
)

// Limit is how many requests on keys a vault takes, as the service counts them:
// in any window of 10 seconds, those for a key in hardware twice. What is beyond
// is answered with 429 and counts for nothing. Azure publishes 4000 for keys on
// P-256K.
type Limit struct {
	Requests int           // in a window; 0: there is no limit
	Window   time.Duration // 0 is 10 seconds
	// Silent leaves out Retry-After, without which the service was seen, too.
	Silent bool
}

// window is what a vault took of late.
type window struct {
	Limit
	mu    sync.Mutex
	taken []taken // the oldest first
	units int     // of all that were taken
}

type taken struct {
	at    time.Time
	units int
}

func newWindow(limit Limit) *window {
	if limit.Window <= 0 {
		limit.Window = 10 * time.Second
	}
	return &window{Limit: limit}
}

// take takes a request in, or returns how long it takes until it would be.
func (w *window) take(now time.Time, units int) (wait time.Duration, ok bool) {
	if w.Requests <= 0 {
		return 0, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.taken) > 0 && now.Sub(w.taken[0].at) >= w.Window {
		w.units -= w.taken[0].units
		w.taken = w.taken[1:]
	}
	left := w.units
	for i := 0; left+units > w.Requests && i < len(w.taken); i++ {
		left -= w.taken[i].units
		wait = w.taken[i].at.Add(w.Window).Sub(now)
	}
	if wait > 0 {
		return roundUp(wait, w.Window), false
	}
	w.taken = append(w.taken, taken{now, units})
	w.units += units
	return 0, true
}

// roundUp returns whole seconds, as the service says them, or milliseconds where
// windows are shorter than a second.
func roundUp(wait, window time.Duration) time.Duration {
	unit := time.Second
	if window < time.Second {
		unit = time.Millisecond
	}
	return (wait + unit - 1).Truncate(unit)
}

// limited answers a request that is beyond the vault's limit.
func (s *Server) limited(c *call) error {
	vault := c.target.vault
	units := 1
	if _, v, ok := vault.find(c.name, c.version); ok && v.hsm && vault.flavor == KeyVault {
		units = 2
	}
	wait, ok := vault.limit.take(time.Now(), units)
	switch {
	case ok:
		return nil
	case vault.limit.Silent:
		wait = 0
	}
	s.throttled.Add(1)
	return throttled(wait)
}

func throttled(retryAfter time.Duration) *failure {
	return &failure{
		status: http.StatusTooManyRequests, code: "Throttled", retryAfter: retryAfter,
		message: "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
	}
}

// Throttled is the number of requests that were beyond the limit of a vault since
// the start or the last reset of the counts. Those of faults are not among them.
func (s *Server) Throttled() int { return int(s.throttled.Load()) }
