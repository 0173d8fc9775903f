package backend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Keyring maps addresses to the vaults that hold their keys. It answers from a
// snapshot in memory, which is replaced when a vault's accounts have changed.
type Keyring struct {
	vaults   []Vault
	snapshot atomic.Pointer[snapshot]
	building sync.Mutex // held while a snapshot is made, so that an older one never replaces a newer
	failed   failures
	rotation atomic.Uint64

	// searching holds one element: whoever takes it may search for an unknown
	// address. searched is when the last search ended, and is guarded by it.
	searching chan struct{}
	searched  time.Time
	interval  time.Duration
}

type snapshot struct {
	accounts    []Account
	holders     map[common.Address][]holder // in the vaults' order
	generations []uint64                    // of the vaults' accounts
}

// changing is a vault that tells when its accounts have changed by themselves,
// such as by a key made through it. Of other vaults, Refresh alone does.
type changing interface {
	// Generation is another number whenever Accounts answers otherwise.
	Generation() uint64
}

type holder struct {
	vault   Vault
	account Account
}

// NewKeyring returns a keyring over the vaults: an address that two of them hold is
// one account, which is shown as the first one's and signed for by whichever can do
// it soonest. A search for an unknown address asks the vaults at most once in
// each searchInterval.
func NewKeyring(searchInterval time.Duration, vaults ...Vault) *Keyring {
	k := &Keyring{vaults: vaults, interval: searchInterval, searching: make(chan struct{}, 1)}
	k.searching <- struct{}{}
	k.rebuild()
	return k
}

// Accounts returns the accounts in the order of the vaults and, within one, in
// the vault's own order. It asks no vault.
func (k *Keyring) Accounts() []Account {
	known := k.current().accounts
	accounts := make([]Account, len(known))
	for i, account := range known {
		accounts[i] = account.Clone()
	}
	return accounts
}

// Lookup returns the account of an address, from memory.
func (k *Keyring) Lookup(address common.Address) (Account, bool) {
	holders := k.current().holders[address]
	if len(holders) == 0 {
		return Account{}, false
	}
	return holders[0].account.Clone(), true
}

// Find returns the account of an address. When it is unknown, the vaults are
// read again, at most once in each search interval, so that a key created a
// moment ago is found and a stream of wrong addresses costs nothing. Requests
// that come while a search is under way wait for its end.
func (k *Keyring) Find(ctx context.Context, address common.Address) (Account, bool) {
	if account, ok := k.Lookup(address); ok {
		return account, true
	}
	select {
	case <-k.searching:
	case <-ctx.Done():
		return Account{}, false
	}
	defer func() { k.searching <- struct{}{} }()
	if time.Since(k.searched) < k.interval {
		return k.Lookup(address)
	}
	// What a vault can't answer now is logged by it; the rest may have the key.
	_ = k.Refresh(ctx)
	k.searched = time.Now()
	return k.Lookup(address)
}

// Refresh reads all vaults again and returns what failed. Vaults that fail
// keep the accounts that they had.
func (k *Keyring) Refresh(ctx context.Context) error {
	failures := make([]error, len(k.vaults))
	var wg sync.WaitGroup
	for i, vault := range k.vaults {
		wg.Go(func() { failures[i] = vault.Refresh(ctx) })
	}
	wg.Wait()
	k.rebuild()
	return errors.Join(failures...)
}

// current returns the snapshot, made anew if a vault's accounts have changed.
func (k *Keyring) current() *snapshot {
	held := k.snapshot.Load()
	for i, vault := range k.vaults {
		if c, ok := vault.(changing); ok && c.Generation() != held.generations[i] {
			return k.rebuild()
		}
	}
	return held
}

// rebuild makes the snapshot anew from what the vaults hold in memory.
func (k *Keyring) rebuild() *snapshot {
	k.building.Lock()
	defer k.building.Unlock()
	next := &snapshot{holders: make(map[common.Address][]holder), generations: make([]uint64, len(k.vaults))}
	for i, vault := range k.vaults {
		if c, ok := vault.(changing); ok {
			next.generations[i] = c.Generation() // before the accounts: a change in between is seen next time
		}
		for _, account := range vault.Accounts() {
			held := next.holders[account.Address]
			switch {
			case len(held) == 0:
				next.accounts = append(next.accounts, account)
			case held[0].account.PublicKey != account.PublicKey:
				continue // two keys of one address: nobody can make them, and nobody is to mix them
			}
			next.holders[account.Address] = append(held, holder{vault, account})
		}
	}
	k.snapshot.Store(next)
	return next
}
