package backend

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// queueVault is a vault in memory with turns, whose outlook a test decides.
type queueVault struct {
	softVault
	outlook struct {
		wait time.Duration
		load float64
		away bool
	}
	full  *Error // of every turn; nil: there is one
	held  int    // turns that were neither used nor given back
	used  int
	hints int // requests that another vault could do
}

type queueTurn struct {
	of   *queueVault
	once sync.Once
}

type queueTurnKey struct{}

func (t *queueTurn) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, queueTurnKey{}, t)
}

func (t *queueTurn) Leave() { t.once.Do(func() { t.of.held-- }) }

func (v *queueVault) Enter(context.Context, Account) (Turn, error) {
	if v.full != nil {
		return nil, v.full
	}
	v.held++
	return &queueTurn{of: v}, nil
}

func (v *queueVault) Outlook(context.Context, Account) (time.Duration, float64, bool) {
	return v.outlook.wait, v.outlook.load, !v.outlook.away
}

func (v *queueVault) Sign(ctx context.Context, account Account, digest common.Hash) (Signed, error) {
	if turn, ok := ctx.Value(queueTurnKey{}).(*queueTurn); ok && turn.of == v {
		v.used++
		turn.Leave()
	}
	if HasFallback(ctx) {
		v.hints++
	}
	return v.softVault.Sign(ctx, account, digest)
}

func twoVaults(t *testing.T) (one, two *queueVault, k *Keyring, address common.Address) {
	t.Helper()
	key, _ := testKey(t, "shared")
	one, two = new(queueVault), new(queueVault)
	one.name, one.keys = "one", []*ecdsa.PrivateKey{key}
	two.name, two.keys = "two", []*ecdsa.PrivateKey{key}
	return one, two, NewKeyring(time.Hour, one, two), addressOf(key)
}

var anyDigest = crypto.Keccak256Hash([]byte("digest"))

func TestKeyringSharesTheLoad(t *testing.T) {
	one, two, k, address := twoVaults(t)
	for range 10 {
		if _, err := k.Sign(t.Context(), address, anyDigest); err != nil {
			t.Fatal(err)
		}
	}
	if one.signs.Load() != 5 || two.signs.Load() != 5 {
		t.Errorf("equals were asked %d and %d times", one.signs.Load(), two.signs.Load())
	}
	for name, c := range map[string]struct {
		set  func()
		want string
	}{
		"the shorter wait":              {func() { one.outlook.wait = 100 * time.Millisecond }, "two"},
		"the smaller load":              {func() { two.outlook.load = 0.5 }, "one"},
		"wait before load":              {func() { one.outlook.wait, two.outlook.load = 100*time.Millisecond, 1 }, "two"},
		"load where waits are alike":    {func() { one.outlook.wait, two.outlook.load = time.Millisecond, 1 }, "one"},
		"one that does not answer last": {func() { one.outlook.away, two.outlook.wait = true, time.Minute }, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			c.set()
			for range 4 {
				if signed, err := k.Sign(t.Context(), address, anyDigest); err != nil || signed.Vault != c.want {
					t.Errorf("got %s, %v, want %s", signed.Vault, err, c.want)
				}
			}
			one.outlook.wait, one.outlook.load, one.outlook.away = 0, 0, false
			two.outlook.wait, two.outlook.load, two.outlook.away = 0, 0, false
		})
	}
}

func TestKeyringAsksFirstWhereThePlaceIs(t *testing.T) {
	one, two, k, address := twoVaults(t)
	one.outlook.wait = time.Minute
	place, err := k.Enter(t.Context(), address)
	if err != nil || place == nil || two.held != 1 {
		t.Fatalf("got %v, %v, held %d", place, err, two.held)
	}
	two.outlook.wait, one.outlook.wait = time.Hour, 0 // meanwhile
	signed, err := k.Sign(place.Into(t.Context()), address, anyDigest)
	if err != nil || signed.Vault != "two" || two.used != 1 || two.held != 0 {
		t.Errorf("signed by %q, %v; used %d", signed.Vault, err, two.used)
	}
	place.Leave()
	place.Leave()
	if two.held != 0 {
		t.Errorf("%d are held", two.held)
	}
	if place, err = k.Enter(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	place.Leave()
	if one.held != 0 || two.held != 0 {
		t.Errorf("%d and %d are held", one.held, two.held)
	}
	(*Place)(nil).Leave()
}

func TestKeyringEntersWhereThereIsATurn(t *testing.T) {
	soon := &Error{Kind: KindBusy, Message: "soon", RetryAfter: time.Second}
	late := &Error{Kind: KindUnavailable, Message: "late", RetryAfter: time.Minute}
	for name, c := range map[string]struct {
		one, two *Error
		held     string
		message  string
	}{
		"the second":         {soon, nil, "two", ""},
		"the sooner, first":  {soon, late, "", "soon"},
		"the sooner, second": {late, soon, "", "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			one, two, k, address := twoVaults(t)
			one.full, two.full = c.one, c.two
			place, err := k.Enter(t.Context(), address)
			if c.message == "" {
				if err != nil || place.vault.Name() != c.held {
					t.Fatalf("got %v, %v", place, err)
				}
				return
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Message != c.message || !failure.NotSigned {
				t.Errorf("got %v", err)
			}
			if soon.NotSigned || late.NotSigned {
				t.Error("the vault's own error was changed")
			}
		})
	}
	_, _, k, _ := twoVaults(t)
	if place, err := k.Enter(t.Context(), common.Address{1}); place != nil || err != nil {
		t.Errorf("got %v, %v for an unknown address", place, err)
	}
	key, _ := testKey(t, "shared")
	plain := NewKeyring(time.Hour, &softVault{name: "plain", keys: []*ecdsa.PrivateKey{key}})
	if place, err := plain.Enter(t.Context(), addressOf(key)); place != nil || err != nil {
		t.Errorf("got %v, %v of a vault without turns", place, err)
	}
}

func TestKeyringEntersNoFurtherVaultWhenTheCallerIsGone(t *testing.T) {
	one, two, k, address := twoVaults(t)
	one.full = &Error{Kind: KindCanceled, Message: "given up"}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if place, err := k.Enter(ctx, address); err == nil || two.held != 0 {
		t.Errorf("got %v, %v, held %d", place, err, two.held)
	}
}

func TestPlacesAreForOneAddress(t *testing.T) {
	one, two, k, address := twoVaults(t)
	other, _ := testKey(t, "other")
	one.keys, two.keys = append(one.keys, other), append(two.keys, other)
	k.rebuild()
	one.outlook.wait = time.Minute
	place, err := k.Enter(t.Context(), address)
	if err != nil || place == nil || two.held != 1 {
		t.Fatalf("got %v, %v, held %d", place, err, two.held)
	}
	one.outlook.wait, two.outlook.wait = 0, time.Minute
	signed, err := k.Sign(place.Into(t.Context()), addressOf(other), anyDigest)
	if err != nil || signed.Vault != "one" || two.used != 0 {
		t.Errorf("signed by %q, %v; used %d", signed.Vault, err, two.used)
	}
}

// TestCallersHaveATurnInARound, also those of whom nothing is said.
func TestCallersHaveATurnInARound(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), WithCaller(t.Context(), Caller{Name: "x"}), WithCaller(t.Context(), Caller{Weight: -3})} {
		if caller := CallerOf(ctx); caller.Weight != 1 {
			t.Errorf("got %+v", caller)
		}
	}
}

// TestKeyringAvoidsAVaultThatFailsAtOnce: a vault that refuses seems to have room
// for everybody.
func TestKeyringAvoidsAVaultThatFailsAtOnce(t *testing.T) {
	one, two, k, address := twoVaults(t)
	one.failure = &Error{Kind: KindForbidden, Message: "no right", NotSigned: true}
	for range 20 {
		if signed, err := k.Sign(t.Context(), address, anyDigest); err != nil || signed.Vault != "two" {
			t.Fatalf("got %s, %v", signed.Vault, err)
		}
	}
	if one.signs.Load() != 1 || one.hints != 1 || two.hints != 0 { // it is no fallback any more
		t.Errorf("the failing vault was asked %d times; told of another %d and %d times", one.signs.Load(), one.hints, two.hints)
	}
	for _, kind := range []Kind{KindBusy, KindCanceled} { // a queue says when, and patience says nothing
		one.failure = &Error{Kind: kind, Message: "busy", NotSigned: true}
		k.failed.until = nil
		one.signs.Store(0)
		for range 20 {
			if _, err := k.Sign(t.Context(), address, anyDigest); err != nil {
				t.Fatal(err)
			}
		}
		if n := one.signs.Load(); n < 8 {
			t.Errorf("a vault whose failure is of kind %d was asked %d times of 20", kind, n)
		}
	}
}

func TestKeyringAsksAVaultAgainThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, k, address := twoVaults(t)
		one.failure = &Error{Kind: KindForbidden, Message: "no right", NotSigned: true}
		for _, step := range []struct {
			wait time.Duration
			want string
		}{{0, "two"}, {avoided - 1, "two"}, {1, "one"}} {
			<-time.After(step.wait)
			if signed, err := k.Sign(t.Context(), address, anyDigest); err != nil || signed.Vault != step.want {
				t.Errorf("after %v more: got %s, %v", step.wait, signed.Vault, err)
			}
			one.failure, two.outlook.load = nil, 0.5
		}
	})
}

func TestKeyringSharesItsTimeAmongVaults(t *testing.T) {
	one, _, k, address := twoVaults(t)
	one.entered = nil
	waits := &slowVault{queueVault: one}
	k.vaults[0] = waits
	k.rebuild()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	signed, err := k.Sign(ctx, address, anyDigest)
	if err != nil || signed.Vault != "two" {
		t.Errorf("got %q, %v: want the second vault to have had time", signed.Vault, err)
	}
}

// slowVault never answers.
type slowVault struct{ *queueVault }

func (v *slowVault) Sign(ctx context.Context, _ Account, _ common.Hash) (Signed, error) {
	<-ctx.Done()
	return Signed{}, &Error{Kind: KindUnavailable, Message: "no answer"}
}
