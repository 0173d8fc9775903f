package console

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often somebody may try to sign in, or to enrol a passkey: each address, and
// all of them together. Behind another server all have the address of that.
const (
	attemptsBurst    = 30
	attemptsInterval = 2 * time.Second // until one more
	attemptsAll      = 20              // a second
	maxAddresses     = 4096
	maxKnown         = 256 // addresses from which somebody has signed in
)

// attempts bounds what strangers can ask for.
type attempts struct {
	clock func() time.Time
	all   *rate.Limiter

	mu sync.Mutex
	of map[netip.Prefix]*rate.Limiter

	known map[netip.Prefix]*rate.Limiter // likewise, of addresses that what is for all does not bound
}

func newAttempts(clock func() time.Time) *attempts {
	return &attempts{clock: clock, all: rate.NewLimiter(attemptsAll, 2*attemptsAll), of: make(map[netip.Prefix]*rate.Limiter), known: make(map[netip.Prefix]*rate.Limiter)}
}

// welcome notes that somebody has signed in: strangers who use up what is for all keep those out
// no more who come from there again, until the signer is started anew.
func (a *attempts) welcome(r *http.Request) {
	source, now := sourceOf(r), a.clock()
	limiter := a.limiter(source, now)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[source] == nil && limiter != a.all && len(a.known) < maxKnown {
		a.known[source] = limiter
	}
}

// allowed reports whether one more attempt may be made.
func (a *attempts) allowed(r *http.Request) bool {
	source, now := sourceOf(r), a.clock()
	a.mu.Lock()
	known := a.known[source]
	a.mu.Unlock()
	if known != nil {
		return known.AllowN(now, 1)
	}
	return a.limiter(source, now).AllowN(now, 1) && a.all.AllowN(now, 1)
}

// limiter returns that of an address. When there are too many, those go that let
// everything through anyway.
func (a *attempts) limiter(source netip.Prefix, now time.Time) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limiter := a.of[source]; limiter != nil {
		return limiter
	}
	if len(a.of) >= maxAddresses {
		for other, limiter := range a.of {
			if limiter.TokensAt(now) >= attemptsBurst {
				delete(a.of, other)
			}
		}
		if len(a.of) >= maxAddresses {
			return a.all // they share what is for all
		}
	}
	limiter := rate.NewLimiter(rate.Every(attemptsInterval), attemptsBurst)
	a.of[source] = limiter
	return limiter
}

// sourceOf returns the address of a caller: a machine has a whole network of IPv6.
func sourceOf(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // the bits fit
	return prefix
}
