package outbox

import (
	"context"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// patienceGap is at how many blocks in a row a nonce must be missing before the lane
// goes back to it.
const patienceGap = 5

// findGaps looks for lanes in which transactions wait for a nonce that nothing of
// ours has, and that the node does not know of either. A gap comes about when what
// the node counted is never mined: transactions of others that its pool drops, or a
// number that was wrong. Where the node refuses so high a nonce, nothing waits, and the
// lane itself is what is above the gap. A node that catches up from an old copy counts too few, and what it
// misses was used: so its latest block must be of now.
func (o *Outbox) findGaps(ctx context.Context, counts map[*lane]uint64) {
	for l, count := range counts {
		o.checkRolledBack(ctx, l, count)
		nonce, gap := o.book.hole(l, count)
		if count >= l.told.Load() {
			o.book.setAhead(l, false)
		}
		if gap {
			pending, err := o.pending(ctx, l.id.chain, l.id.account)
			if err != nil {
				continue
			}
			gap = pending <= nonce && o.isOfNow(ctx) // else others of the account fill it, or have
		}
		var missing *uint64
		if gap {
			missing = &nonce
		}
		if o.book.setMissing(l, missing) && gap {
			o.log.WarnContext(ctx, "Transactions wait for a nonce that nothing has", "chain", l.id.chain, "account", l.id.account, "nonce", nonce, "next", l.told.Load())
		}
	}
}

// isOfNow reports whether the node's latest block is of now.
func (o *Outbox) isOfNow(ctx context.Context) bool {
	var latest *struct {
		Time hexutil.Uint64 `json:"timestamp"`
	}
	err := o.client.call(ctx, &latest, "eth_getBlockByNumber", "latest", false)
	return err == nil && latest != nil && o.near(latest.Time)
}

// near reports whether a block's time is near the clock.
func (o *Outbox) near(at hexutil.Uint64) bool {
	return o.cfg.Clock().Sub(blockTime(at)).Abs() <= patienceSettled
}

// blockTime is the time of a block.
func blockTime(at hexutil.Uint64) time.Time {
	return time.Unix(int64(at), 0) //nolint:gosec // what is out of range is not now
}

// fillGap returns the nonce that has been missing for a while in a lane, if there is
// one: the next transaction has it, so that those above it are mined at last. Nothing
// is sent for a gap alone.
func (o *Outbox) fillGap(ctx context.Context, l *lane) (nonce uint64, found bool, err error) {
	missing, found := o.book.missingFor(l, patienceGap)
	if !found {
		return 0, false, nil
	}
	if still, _ := o.book.hole(l, missing); still >= l.next { // the lane comes to it by itself
		return 0, false, nil
	}
	seen, err := o.standing(ctx, l.id.chain, l.id.account)
	if err != nil {
		return 0, false, err
	}
	l.passed = seen.mined
	for again := true; again; { // with what was found, which is refused no more
		nonce, found = o.book.hole(l, max(seen.next, missing))
		if !found {
			o.book.setMissing(l, nil)
		}
		if !found || nonce >= l.next {
			return 0, false, nil
		}
		if again, err = o.checkRefusedAbove(ctx, l, seen); err != nil {
			return 0, false, err
		}
	}
	if !o.book.above(l, nonce) { // the lane goes on from it
		l.move(nonce)
		o.book.setMissing(l, nil)
	}
	return nonce, true, nil
}

// checkRefusedAbove looks for all transactions of a lane that were refused, also for those
// above what is used. While their nonces are given again, only one of each can be mined. Once
// the lane has others, one that another node has waits for what is missing, and would be mined
// besides what its sender sends instead.
func (o *Outbox) checkRefusedAbove(ctx context.Context, l *lane, seen standing) (found bool, err error) {
	for _, r := range l.refused {
		seen.next = max(seen.next, r.nonce+1)
	}
	return o.checkRefused(ctx, l, seen)
}

// above reports whether something of a lane is followed with a nonce or a later one.
func (b *book) above(l *lane, nonce uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for of := range l.entries {
		if of >= nonce {
			return true
		}
	}
	return false
}

// setAhead notes whether the node refused the last transaction with a nonce of a lane.
func (b *book) setAhead(l *lane, ahead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.ahead = ahead
}

// ahead returns the lanes of a chain of which the node refused the last transaction with a
// nonce of theirs; "": of every chain.
func (b *book) ahead(chain string) (lanes []*lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, l := range b.lanes {
		if l.ahead && (chain == "" || id.chain == chain) {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// setMissing notes the nonce that a lane waits for, nil being none. It reports
// whether that is new.
func (b *book) setMissing(l *lane, nonce *uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	same := l.missing == nil && nonce == nil || l.missing != nil && nonce != nil && *l.missing == *nonce
	if l.missing = nonce; nonce == nil {
		l.misses = 0
	} else {
		l.misses++
	}
	return !same
}

// missingFor returns the nonce that a lane waits for, if it has waited for so many
// blocks.
func (b *book) missingFor(l *lane, blocks int) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.missing == nil || l.misses < blocks {
		return 0, false
	}
	return *l.missing, true
}

// used notes that the chain has used a nonce of a lane, for good if it is final.
// Whatever a node that lags says, nothing below is missing.
func (b *book) used(l *lane, nonce uint64, final bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.used = max(l.used, nonce+1)
	if final {
		l.final = max(l.final, nonce+1)
	}
}

// unused notes that a reorganisation has taken back what used a nonce. Others below it,
// also such as are not known here, may be gone with it.
func (b *book) unused(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.used = l.final
}

// hole returns the first nonce from count on that nothing of the lane has, if there
// is something under way above it, or the lane is above it and was refused there.
func (b *book) hole(l *lane, count uint64) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	highest, waits := uint64(0), false
	if l.ahead {
		highest, waits = l.told.Load(), true
	}
	for nonce, entries := range l.entries {
		if slices.ContainsFunc(entries, func(e *entry) bool { return e.state.InFlight() }) {
			highest, waits = max(highest, nonce), true
		}
	}
	for count = max(count, l.used); len(l.entries[count]) > 0; {
		count++
	}
	return count, waits && count < highest
}
