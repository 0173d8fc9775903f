package backend

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// softVault is a vault in memory: a real signer, whose failures and accounts a
// test decides.
type softVault struct {
	name string

	mu        sync.Mutex
	keys      []*ecdsa.PrivateKey // visible as accounts
	arriving  []*ecdsa.PrivateKey // visible after the next refresh
	failure   error               // of every request
	signs     atomic.Int32
	refreshes atomic.Int32
	entered   chan struct{} // non-nil: told of each refresh, which then waits for
	release   chan struct{}
}

func (v *softVault) Name() string { return v.name }

func (v *softVault) account(key *ecdsa.PrivateKey) Account {
	public := [65]byte(crypto.FromECDSAPub(&key.PublicKey))
	return Account{Address: Address(public), Vault: v.name, Key: "k", Version: "v", PublicKey: public, Tags: map[string]string{"team": "ops"}}
}

func (v *softVault) Accounts() []Account {
	v.mu.Lock()
	defer v.mu.Unlock()
	accounts := make([]Account, len(v.keys))
	for i, key := range v.keys {
		accounts[i] = v.account(key)
	}
	return accounts
}

func (v *softVault) Refresh(ctx context.Context) error {
	v.refreshes.Add(1)
	if v.entered != nil {
		v.entered <- struct{}{}
		select {
		case <-v.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failure != nil {
		return v.failure
	}
	v.keys = append(v.keys, v.arriving...)
	v.arriving = nil
	return nil
}

func (v *softVault) Sign(_ context.Context, account Account, digest common.Hash) (Signed, error) {
	v.signs.Add(1)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failure != nil {
		return Signed{}, v.failure
	}
	for _, key := range v.keys {
		if crypto.PubkeyToAddress(key.PublicKey) == account.Address {
			sig, err := crypto.Sign(digest[:], key)
			return Signed{Signature: Signature(sig), Vault: v.name, Key: account.Key, Version: account.Version, RequestID: "of " + v.name}, err
		}
	}
	return Signed{}, &Error{Kind: KindNotFound, Message: "no such key", NotSigned: true}
}

// makingVault makes keys by itself and tells that it did.
type makingVault struct {
	softVault
	generation atomic.Uint64
}

func (v *makingVault) Generation() uint64 { return v.generation.Load() }

func (v *makingVault) add(key *ecdsa.PrivateKey) {
	v.mu.Lock()
	v.keys = append(v.keys, key)
	v.mu.Unlock()
	v.generation.Add(1)
}

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

func TestKeyringListsEachAddressOnceInTheVaultsOrder(t *testing.T) {
	a, _ := testKey(t, "a")
	b, _ := testKey(t, "b")
	c, _ := testKey(t, "c")
	k := NewKeyring(time.Hour, &softVault{name: "one", keys: []*ecdsa.PrivateKey{b, a}}, &softVault{name: "two", keys: []*ecdsa.PrivateKey{a, c}})
	var got []common.Address
	for _, account := range k.Accounts() {
		got = append(got, account.Address)
	}
	if want := []common.Address{addressOf(b), addressOf(a), addressOf(c)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if account, ok := k.Lookup(addressOf(a)); !ok || account.Vault != "one" {
		t.Errorf("got %+v, %v: want the first vault's", account, ok)
	}
}

func TestKeyringGivesOutCopies(t *testing.T) {
	a, _ := testKey(t, "a")
	k := NewKeyring(time.Hour, &softVault{name: "one", keys: []*ecdsa.PrivateKey{a}})
	k.Accounts()[0].Tags["team"] = "attacker"
	account, _ := k.Lookup(addressOf(a))
	account.Tags["team"] = "attacker"
	if got := k.Accounts()[0].Tags["team"]; got != "ops" {
		t.Errorf("a caller changed a tag to %q", got)
	}
}

func TestKeyringFallsBackToTheNextVault(t *testing.T) {
	key, public := testKey(t, "shared")
	digest := crypto.Keccak256Hash([]byte("digest"))
	busy := &Error{Kind: KindBusy, Message: "busy", NotSigned: true, RetryAfter: time.Second, RequestID: "busy's"}
	lost := &Error{Kind: KindUnavailable, Message: "lost"}
	for name, c := range map[string]struct {
		first, second error
		asked         int32 // of the second vault
		kind          Kind
		notSigned     bool
	}{
		"the first signs":     {nil, nil, 0, 0, false},
		"the second signs":    {busy, nil, 1, 0, false},
		"after a lost reply":  {lost, nil, 1, 0, false},
		"both certain":        {busy, busy, 1, KindBusy, true},
		"the first uncertain": {lost, busy, 1, KindBusy, false},
		"the last uncertain":  {busy, lost, 1, KindBusy, false},
		"an unknown failure":  {busy, errors.New("odd"), 1, KindBusy, false},
		"none says when":      {lost, errors.New("odd"), 1, KindUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			one := &softVault{name: "one", keys: []*ecdsa.PrivateKey{key}, failure: c.first}
			two := &softVault{name: "two", keys: []*ecdsa.PrivateKey{key}, failure: c.second}
			signed, err := NewKeyring(time.Hour, one, two).Sign(t.Context(), addressOf(key), digest)
			if two.signs.Load() != c.asked || one.signs.Load() != 1 {
				t.Errorf("asked %d and %d times", one.signs.Load(), two.signs.Load())
			}
			if c.first == nil || c.second == nil {
				if err != nil {
					t.Fatal(err)
				}
				checkComplete(t, signed.Signature, digest, public)
				by := []string{"one", "two"}[c.asked]
				if want := (Signed{Signature: signed.Signature, Vault: by, Key: "k", Version: "v", RequestID: "of " + by}); signed != want {
					t.Errorf("got %+v, want %+v", signed, want)
				}
				return
			}
			if signed != (Signed{}) {
				t.Errorf("an error came with %+v", signed)
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Kind != c.kind || failure.NotSigned != c.notSigned {
				t.Errorf("got %+v, want kind %d, not signed %v", failure, c.kind, c.notSigned)
			}
			if (failure.RequestID == busy.RequestID) != (c.kind == KindBusy) {
				t.Errorf("got request %q, want that of the vault that says when to come back, else of the last", failure.RequestID)
			}
			if busy.NotSigned != true || lost.NotSigned != false {
				t.Error("the vault's own error was changed")
			}
		})
	}
}

func TestKeyringAsksNoFurtherVaultWhenTheCallerIsGone(t *testing.T) {
	key, _ := testKey(t, "shared")
	gone := &Error{Kind: KindCanceled, Message: "given up"}
	one := &softVault{name: "one", keys: []*ecdsa.PrivateKey{key}, failure: gone}
	two := &softVault{name: "two", keys: []*ecdsa.PrivateKey{key}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewKeyring(time.Hour, one, two).Sign(ctx, addressOf(key), common.Hash{1}); err == nil || two.signs.Load() != 0 {
		t.Errorf("got %v, second vault asked %d times", err, two.signs.Load())
	}
}

func TestKeyringRefusesUnknownAddresses(t *testing.T) {
	vault := &softVault{name: "one"}
	k := NewKeyring(time.Hour, vault)
	if _, err := k.Sign(t.Context(), common.Address{1}, common.Hash{1}); !errors.Is(err, ErrUnknownAccount) {
		t.Errorf("got %v", err)
	}
	if vault.signs.Load() != 0 {
		t.Error("the vault was asked")
	}
}

func TestFindSearchesOncePerInterval(t *testing.T) {
	key, _ := testKey(t, "new")
	vault := &softVault{name: "one", arriving: []*ecdsa.PrivateKey{key}}
	k := NewKeyring(time.Hour, vault)
	if _, ok := k.Find(t.Context(), addressOf(key)); !ok {
		t.Error("a new key was not found")
	}
	for i := range 100 {
		if _, ok := k.Find(t.Context(), common.Address{byte(i)}); ok {
			t.Error("found a key that is not there")
		}
	}
	if n := vault.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestFindWaitsForTheSearchUnderWay(t *testing.T) {
	key, _ := testKey(t, "new")
	vault := &softVault{name: "one", arriving: []*ecdsa.PrivateKey{key}, entered: make(chan struct{}, 64), release: make(chan struct{})}
	k := NewKeyring(time.Hour, vault)
	var wg sync.WaitGroup
	var found atomic.Int32
	for range 32 {
		wg.Go(func() {
			if _, ok := k.Find(t.Context(), addressOf(key)); ok {
				found.Add(1)
			}
		})
	}
	<-vault.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := k.Find(ctx, common.Address{1}); ok {
		t.Error("found a key that is not there")
	}
	close(vault.release)
	wg.Wait()
	if found.Load() != 32 || vault.refreshes.Load() != 1 {
		t.Errorf("%d of 32 found the key in %d refreshes, want all in 1", found.Load(), vault.refreshes.Load())
	}
}

func TestRefreshKeepsWhatAFailingVaultHad(t *testing.T) {
	a, _ := testKey(t, "a")
	b, _ := testKey(t, "b")
	failing := &softVault{name: "one", keys: []*ecdsa.PrivateKey{a}, failure: errors.New("down")}
	working := &softVault{name: "two", arriving: []*ecdsa.PrivateKey{b}}
	k := NewKeyring(time.Hour, failing, working)
	if err := k.Refresh(t.Context()); !errors.Is(err, failing.failure) {
		t.Errorf("got %v, want the failure", err)
	}
	if n := len(k.Accounts()); n != 2 {
		t.Errorf("%d accounts, want 2", n)
	}
}

func TestKeyringSeesAKeyThatAVaultMade(t *testing.T) {
	key, public := testKey(t, "made")
	vault := &makingVault{softVault: softVault{name: "one"}}
	k := NewKeyring(time.Hour, vault)
	vault.add(key)
	if _, ok := k.Lookup(addressOf(key)); !ok || len(k.Accounts()) != 1 {
		t.Fatal("the new key is not there without a refresh")
	}
	signed, err := k.Sign(t.Context(), addressOf(key), common.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, signed.Signature, common.Hash{1}, public)
	if vault.refreshes.Load() != 0 {
		t.Error("the vault was read again")
	}
}

// lateVault makes a key just after it has told its accounts.
type lateVault struct {
	makingVault
	late *ecdsa.PrivateKey // nil: it was made
}

func (v *lateVault) Accounts() []Account {
	accounts := v.makingVault.Accounts()
	if v.late != nil {
		key := v.late
		v.late = nil
		v.add(key)
	}
	return accounts
}

func TestKeyringSeesAKeyThatWasMadeMeanwhile(t *testing.T) {
	key, _ := testKey(t, "made")
	k := NewKeyring(time.Hour, &lateVault{makingVault: makingVault{softVault: softVault{name: "one"}}, late: key})
	if _, ok := k.Lookup(addressOf(key)); !ok {
		t.Error("a key that was made while the accounts were read is never seen")
	}
}

// claimingVault tells accounts that have another public key than their address is of.
type claimingVault struct{ softVault }

func (v *claimingVault) Accounts() []Account {
	accounts := v.softVault.Accounts()
	for i := range accounts {
		accounts[i].PublicKey[1] ^= 1
	}
	return accounts
}

// TestKeyringMixesNoKeys: a vault that has another key for an address is never asked
// to sign for it.
func TestKeyringMixesNoKeys(t *testing.T) {
	key, _ := testKey(t, "shared")
	one := &softVault{name: "one", keys: []*ecdsa.PrivateKey{key}, failure: &Error{Kind: KindBusy, Message: "busy", NotSigned: true}}
	two := &claimingVault{softVault{name: "two", keys: []*ecdsa.PrivateKey{key}}}
	if signed, err := NewKeyring(time.Hour, one, two).Sign(t.Context(), addressOf(key), anyDigest); err == nil || two.signs.Load() != 0 {
		t.Errorf("signed by %q, %v", signed.Vault, err)
	}
}

func TestKeyringConcurrently(t *testing.T) {
	first, public := testKey(t, "first")
	vault := &makingVault{softVault: softVault{name: "one", keys: []*ecdsa.PrivateKey{first}}}
	k := NewKeyring(0, vault)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			key, _ := testKey(t, string(rune('a'+i)))
			vault.add(key)
			for range 50 {
				signed, err := k.Sign(t.Context(), addressOf(first), common.Hash{byte(i)})
				if err != nil {
					t.Error(err)
					return
				}
				checkComplete(t, signed.Signature, common.Hash{byte(i)}, public)
				k.Accounts()
				k.Find(t.Context(), common.Address{byte(i)})
			}
			if _, ok := k.Lookup(addressOf(key)); !ok {
				t.Error("a key that was made is not there")
			}
		})
	}
	wg.Wait()
	if n := len(k.Accounts()); n != 17 {
		t.Errorf("%d accounts, want 17", n)
	}
}
