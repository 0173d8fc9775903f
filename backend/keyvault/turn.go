package keyvault

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kvclef/kvclef/backend"
)

// turn is the right to send one request, taken ahead of it. A nil turn is none.
type turn struct {
	vault *Vault
	cost  int
	spent atomic.Bool // used, or given back
}

type turnKey struct{}

// Into returns a context by which Sign uses the turn.
func (t *turn) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// Leave gives the turn back unless it was used.
func (t *turn) Leave() {
	if !t.spent.Swap(true) {
		t.vault.gate.giveBack(t.cost)
	}
}

// use reports whether the turn is good for a request to a vault, which then ends
// as one that the gate has let in. If the vault has asked for a pause meanwhile
// the turn is given back.
func (t *turn) use(v *Vault, cost int) bool {
	if t == nil || t.vault != v || t.cost != cost {
		return false
	}
	if v.gate.isPaused() {
		t.Leave()
		return false
	}
	return !t.spent.Swap(true)
}

// turnOf returns the turn that a context brings, nil if none.
func turnOf(ctx context.Context) *turn {
	t, _ := ctx.Value(turnKey{}).(*turn)
	return t
}

// Enter waits for a turn to sign with the key of an account, and returns it at
// once refused when it would come after the context's deadline, or while the vault
// does not answer. Errors are of type *backend.Error, and certain that nothing was
// signed.
func (v *Vault) Enter(ctx context.Context, account backend.Account) (backend.Turn, error) {
	ctx, cancel := v.budget(ctx)
	defer cancel()
	e := v.held.Load().find(identifier{account.Key, account.Version})
	if e == nil {
		return nil, v.unheld(identifier{account.Key, account.Version})
	}
	if wait, _ := v.breaker.blocked(); wait > 0 {
		return nil, refused(v.away(ctx, wait))
	}
	cost := v.signing(e).cost
	if ok, wait := v.wait(ctx, cost); !ok {
		return nil, refused(v.busy(ctx, wait))
	}
	entered := &turn{vault: v, cost: cost}
	if wait, _ := v.breaker.blocked(); wait > 0 { // since it waited
		entered.Leave()
		return nil, refused(v.away(ctx, wait))
	}
	return entered, nil
}

// refused is the error of a request that was not sent.
func refused(f *failure) error {
	answer := f.asError()
	withRetryAfter(answer)
	return answer
}

// Outlook estimates, from memory, how long a request to sign with the key of an
// account would wait for its turn, and how much of what the vault can do is in use,
// from 0 to 1. It is false while the vault had better not be asked, since it does
// not answer.
func (v *Vault) Outlook(ctx context.Context, account backend.Account) (wait time.Duration, load float64, ok bool) {
	e := v.held.Load().find(identifier{account.Key, account.Version})
	if e == nil {
		return 0, 1, false
	}
	wait, load = v.gate.outlook(backend.CallerOf(ctx), v.signing(e).cost)
	blocked, probing := v.breaker.blocked()
	return max(wait, blocked), load, blocked <= 0 && !probing
}
