package backend

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Caller is whom a request to a vault is for. Callers of different names take
// turns where requests wait, whatever the number that each has waiting.
type Caller struct {
	Name   string
	Weight int // turns in a round; less than one is one
}

type callerKey struct{}

// WithCaller returns a context for requests of a caller.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf returns whom the requests of a context are for; without a word of it
// they are kvclef's own, whose name is empty.
func CallerOf(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	caller.Weight = max(caller.Weight, 1)
	return caller
}

// Turn is the right to send a vault one request now, which was waited for.
type Turn interface {
	// Into returns a context by which the vault's Sign uses the turn.
	Into(ctx context.Context) context.Context

	// Leave gives the turn back unless it was used. It may be called more than once.
	Leave()
}

// Place is a turn at a vault that holds the key of an address.
type Place struct {
	address common.Address
	vault   Vault
	turn    Turn
	leave   sync.Once
}

type placeKey struct{}

// Into returns a context by which [Keyring.Sign] asks that vault first, at once.
func (p *Place) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

// Leave gives the place back unless it was used. It may be called more than once,
// and by whoever has no place, which is nil.
func (p *Place) Leave() {
	if p != nil {
		p.leave.Do(p.turn.Leave)
	}
}

// placeOf returns the place that a context brings for an address, nil if none.
func placeOf(ctx context.Context, address common.Address) *Place {
	place, _ := ctx.Value(placeKey{}).(*Place)
	if place == nil || place.address != address {
		return nil
	}
	return place
}

type fallbackKey struct{}

// withFallback returns a context for a request that another vault can do as well.
func withFallback(ctx context.Context) context.Context {
	return context.WithValue(ctx, fallbackKey{}, true)
}

// HasFallback reports whether another vault will be asked if a request fails, so
// that it need not be tried again here.
func HasFallback(ctx context.Context) bool {
	has, _ := ctx.Value(fallbackKey{}).(bool)
	return has
}
