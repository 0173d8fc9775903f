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
)

// attempts bounds what strangers can ask for.
type attempts struct {
	clock func() time.Time
	all   *rate.Limiter

	mu sync.Mutex
	of map[netip.Prefix]*rate.Limiter
}

func newAttempts(clock func() time.Time) *attempts {
	return &attempts{clock: clock, all: rate.NewLimiter(attemptsAll, 2*attemptsAll), of: make(map[netip.Prefix]*rate.Limiter)}
}

// allowed reports whether one more attempt may be made.
func (a *attempts) allowed(r *http.Request) bool {
	now := a.clock()
	return a.limiter(sourceOf(r), now).AllowN(now, 1) && a.all.AllowN(now, 1)
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
