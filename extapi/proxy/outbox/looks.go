package outbox

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// any reports whether something is followed.
func (b *book) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries) > 0
}

// snapshot returns copies of what is followed on a chain, by account and nonce.
func (b *book) snapshot(chain string) []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := make([]entry, 0, len(b.entries))
	for _, e := range b.entries {
		if e.lane.id.chain == chain {
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, byNonce)
	return entries
}

// update changes what is followed under a hash.
func (b *book) update(hash common.Hash, do func(*entry)) {
	b.mu.Lock()
	e := b.entries[hash]
	b.mu.Unlock()
	if e != nil {
		b.change(e, do)
	}
}

// hurry looks for everything that is under way at once.
func (b *book) hurry(now time.Time, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		e.due, e.wait = now, wait
	}
}

// miss notes that the chain says otherwise of a transaction, and returns how often
// in a row it has, and for how long.
func (b *book) miss(hash common.Hash, now time.Time) (misses int, age time.Duration) {
	b.update(hash, func(e *entry) {
		if e.misses++; e.misses == 1 {
			e.missed = now
		}
		misses, age = e.misses, now.Sub(e.missed)
	})
	return misses, age
}

// hit notes that the chain agrees.
func (b *book) hit(hash common.Hash) { b.update(hash, func(e *entry) { e.misses = 0 }) }

// settled reports whether a transaction has been replaced for so many blocks, and for
// so long, that no reorganisation will bring it back.
func (b *book) settled(hash common.Hash, block, confirmations uint64, now time.Time) (settled bool) {
	b.update(hash, func(e *entry) {
		if e.settles == 0 {
			e.settles, e.settlesAt = block+max(confirmations, 1), now.Add(patienceSettled)
		}
		settled = block >= e.settles && !now.Before(e.settlesAt)
	})
	return settled
}

// minedAt returns the transaction of a lane that is mined with a nonce.
func (b *book) minedAt(l *lane, nonce uint64) (common.Hash, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range l.entries[nonce] {
		if e.state == StateMined {
			return e.hash, true
		}
	}
	return common.Hash{}, false
}
