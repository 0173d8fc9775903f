package backend

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// queueing is a vault in front of which requests wait for their turn.
type queueing interface {
	// Enter waits for a turn to sign with the key of an account, or tells at once
	// that it would come too late.
	Enter(ctx context.Context, account Account) (Turn, error)

	// Outlook estimates the wait, and the part of what the vault can do that is in
	// use, from 0 to 1. It is false while the vault had better not be asked.
	Outlook(ctx context.Context, account Account) (wait time.Duration, load float64, ok bool)
}

// alike is the difference of two waits that does not matter.
const alike = 5 * time.Millisecond

// candidate is a vault that holds a key, and what speaks for it.
type candidate struct {
	holder
	last bool // it failed of late, or does not answer
	wait time.Duration
	load float64
}

// inOrder returns the vaults that hold a key in the order in which they are asked:
// where the context has a place; then by how soon they can do it, and by what
// they have room for; those that failed of late at the end. Among equals they take
// turns. Vaults that tell nothing of themselves are asked in the order that they
// were given in.
func (k *Keyring) inOrder(ctx context.Context, holders []holder, place *Place) []candidate {
	if len(holders) < 2 {
		return plain(holders)
	}
	candidates := make([]candidate, len(holders))
	first := (k.rotation.Add(1) - 1) % uint64(len(holders))
	for i := range holders {
		h := holders[(first+uint64(i))%uint64(len(holders))]
		vault, ok := h.vault.(queueing)
		if !ok {
			return plain(holders) // nothing is known of it
		}
		wait, load, well := vault.Outlook(ctx, h.account)
		candidates[i] = candidate{holder: h, last: !well || k.failed.lately(h), wait: wait, load: load}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		switch {
		case place != nil && a.vault == place.vault:
			return -1
		case place != nil && b.vault == place.vault:
			return 1
		case a.last != b.last && a.last:
			return 1
		case a.last != b.last:
			return -1
		case a.wait/alike != b.wait/alike:
			return cmp.Compare(a.wait, b.wait)
		}
		return cmp.Compare(a.load, b.load)
	})
	return candidates
}

// plain returns vaults of which nothing is known.
func plain(holders []holder) []candidate {
	candidates := make([]candidate, len(holders))
	for i, h := range holders {
		candidates[i].holder = h
	}
	return candidates
}

// good counts those that are expected to sign.
func good(candidates []candidate) (count int) {
	for i := range candidates {
		if !candidates[i].last {
			count++
		}
	}
	return count
}

// avoided is how long a vault that failed to sign with a key is asked last.
const avoided = 5 * time.Second

// failures are the vaults that failed to sign with a key of late. A vault that
// refuses at once seems to have room for everybody.
type failures struct {
	mu    sync.Mutex
	until map[failedKey]time.Time
}

type failedKey struct {
	vault, key, version string
}

// note takes in a failure. One that a caller's own patience or the vault's queue
// explains says nothing.
func (f *failures) note(h holder, kind Kind) {
	if kind == KindBusy || kind == KindCanceled {
		return
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, until := range f.until { // as many as there are keys that fail
		if now.After(until) {
			delete(f.until, key)
		}
	}
	if f.until == nil {
		f.until = make(map[failedKey]time.Time)
	}
	f.until[failedKey{h.vault.Name(), h.account.Key, h.account.Version}] = now.Add(avoided)
}

func (f *failures) lately(h holder) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.until) == 0 {
		return false
	}
	until, failed := f.until[failedKey{h.vault.Name(), h.account.Key, h.account.Version}]
	return failed && time.Now().Before(until)
}
