package extapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of what is remembered; the oldest goes first.
const (
	maxRepeats     = 1 << 14
	maxRepeatBytes = 8 << 20
	repeatBytes    = 384 // of one signature, with its places in map and queue, without its texts
)

// given remembers signatures that were given to a caller, so that a repeat of
// the same digest by the same account gets the same one. A vault signs at
// random: signing a transaction again would give it another hash.
//
// Equal requests at the same time take turns: the first signs, and those that
// wait get its signature. If it certainly was not signed the next one tries, one
// at a time; if it may have been, they fail as well, and nothing of theirs was
// signed. A request that comes later signs.
//
// Nothing of it outlives the process.
type given struct {
	window time.Duration // 0: nothing is remembered
	now    func() time.Time

	mu    sync.Mutex
	turns map[repeatKey]*turn // those that sign now
	known map[repeatKey]repeat
	queue []repeatKey // of known, the oldest first
	bytes int         // of known
}

type repeatKey struct {
	address common.Address
	digest  common.Hash
}

// repeat is a signature that was recorded and released.
type repeat struct {
	signed  Signed
	request string // that it was made for
	expires time.Time
}

func (r *repeat) bytes() int {
	return repeatBytes + len(r.signed.Vault) + len(r.signed.Key) + len(r.signed.Version) + len(r.request)
}

func newGiven(window time.Duration, now func() time.Time) *given {
	return &given{window: window, now: now, turns: make(map[repeatKey]*turn), known: make(map[repeatKey]repeat)}
}

// turn is a request's right to sign a digest, or the signature that it repeats.
// The zero turn is neither.
type turn struct {
	of    *given // nil: it is nobody's turn, or has ended
	key   repeatKey
	first repeat // if again
	again bool

	ended chan struct{} // closed at its end
	clear bool          // before the end: it was released, or certainly not signed
}

// waitedError is of a request that waited for an equal one in vain: it has
// signed nothing.
type waitedError struct{ error }

// Unwrap returns the cause.
func (e waitedError) Unwrap() error { return e.error }

// NotSigned is always true.
func (waitedError) NotSigned() bool { return true }

// errEqualUnclear is told when it is not clear what became of the equal request
// that was waited for.
const errEqualUnclear = publicError("an equal request at the same time failed, and may have been signed: look at the signer's log before trying again")

// errNotRemembered is told when people approved one signature, and the equal request
// that they approved it for has got it, or was to get it.
const errNotRemembered = publicError("an equal request has used what people approved, and its signature is not remembered: look at the signer's log before trying again")

// enter waits for the requests that sign the same. The turn ends with leave,
// also after an error.
func (g *given) enter(ctx context.Context, address common.Address, digest common.Hash) (*turn, error) {
	if g.window <= 0 {
		return new(turn), nil
	}
	key := repeatKey{address, digest}
	for {
		mine, other := g.take(key)
		if other == nil {
			return mine, nil
		}
		rules.Waits(ctx)
		select {
		case <-other.ended:
			if !other.clear {
				return new(turn), waitedError{errEqualUnclear}
			}
		case <-ctx.Done():
			return new(turn), waitedError{fmt.Errorf("waiting for an equal request that is being signed: %w", ctx.Err())}
		}
	}
}

// remembers reports whether an equal request would get the same signature now.
func (g *given) remembers(address common.Address, digest common.Hash) bool {
	if g.window <= 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	_, known := g.known[repeatKey{address, digest}]
	return known
}

// take finds the signature or takes the turn; else it is another's.
func (g *given) take(key repeatKey) (mine, other *turn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	if first, again := g.known[key]; again {
		return &turn{first: first, again: true}, nil
	}
	if other := g.turns[key]; other != nil {
		return nil, other
	}
	mine = &turn{of: g, key: key, ended: make(chan struct{})}
	g.turns[key] = mine
	return mine, nil
}

// conclude says what became of the turn's request. What has no error was
// recorded and is about to be released: it is remembered.
func (t *turn) conclude(signed Signed, outcome rules.Outcome, request string, err error) {
	if t.of == nil {
		return
	}
	g := t.of
	g.mu.Lock()
	defer g.mu.Unlock()
	t.clear = err == nil || outcome == rules.NotSigned
	if err != nil {
		return
	}
	signed.RequestID = "" // a repeat makes none
	first := repeat{signed: signed, request: request, expires: g.now().Add(g.window)}
	g.known[t.key] = first
	g.queue = append(g.queue, t.key)
	g.bytes += first.bytes()
	g.forget()
}

// leave ends the turn. Without a conclusion it is not clear what became of it.
func (t *turn) leave() {
	if t.of == nil {
		return
	}
	g := t.of
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.turns, t.key)
	close(t.ended)
	t.of = nil
}

// forget removes what is too old or too much. All are kept for the same time, so
// that the oldest ends first.
func (g *given) forget() {
	now := g.now()
	for len(g.queue) > 0 {
		oldest := g.known[g.queue[0]]
		if len(g.queue) <= maxRepeats && g.bytes <= maxRepeatBytes && now.Before(oldest.expires) {
			return
		}
		delete(g.known, g.queue[0])
		g.bytes -= oldest.bytes()
		g.queue = g.queue[1:]
	}
}
