package outbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// checkRefused looks whether the nonces of which the node says that they have been used
// are used by transactions that it refused: where several nodes answer, one may have taken
// what another did not. From then on they are followed, and their senders, who may be about
// to pay again, are to be told, see [Outbox.warn]. It reports whether there are any.
func (o *Outbox) checkRefused(ctx context.Context, l *lane, seen standing) (found bool, err error) {
	var below, left []refusedTx
	for _, r := range l.refused {
		if r.nonce < seen.next || r.hash == seen.users[r.nonce] {
			below = append(below, r)
		} else {
			left = append(left, r)
		}
	}
	if len(below) == 0 {
		return false, nil
	}
	now := o.cfg.Clock()
	known, err := o.knowsRefused(ctx, below, seen)
	if err != nil && len(seen.users) == 0 { // else the one of which it is known is told at least
		return false, err
	}
	forgotten, err := o.findIn(ctx, l, below, known, seen)
	if err != nil {
		return false, err
	}
	for _, r := range forgotten {
		below, known = append(below, r), append(known, true)
	}
	for i, r := range below {
		if !known[i] {
			if !r.over(now, seen) {
				left = append(left, r)
			}
			continue
		}
		refused, err := o.revive(ctx, l, r, true)
		if err != nil {
			l.refused = slices.Concat(left, below[i:])
			return false, err
		}
		if !refused { // it was sent again since, and taken
			continue
		}
		o.log.WarnContext(ctx, "Transaction is under way, though the node refused it", "hash", r.hash, "account", l.id.account, "nonce", r.nonce)
		found = true
		l.warnOf(r)
	}
	l.refused = left
	return found, nil
}

// revive follows a transaction that was refused, and gives its idempotency key its
// hash. One whose bytes are gone stays as it is. It reports whether it was still a
// refused one, or one of which nobody was told.
func (o *Outbox) revive(ctx context.Context, l *lane, refused refusedTx, untold bool) (bool, error) {
	key := l.id.transaction(refused.nonce, refused.hash)
	old, err := o.cfg.Records.Record(ctx, key)
	if err != nil || old == nil {
		return false, err
	}
	r, err := decodeRecord(key, old)
	if err != nil {
		return false, err
	}
	o.shared.mu.RLock()
	defer o.shared.mu.RUnlock()
	if r.State != StateRejected {
		_, followed := o.book.find(r.Hash)
		lost := r.State.InFlight() && !followed // an earlier attempt was made, and said nothing
		if lost {
			o.book.follow(l, r, false, o.cfg.Clock(), o.cfg.Rebroadcast)
		}
		return lost || r.Untold, nil
	}
	if len(r.Bytes) == 0 {
		return true, nil
	}
	r.State, r.Refusal, r.Changed, r.Untold = StateUnsure, nil, o.cfg.Clock().UTC(), untold
	value, err := r.encode()
	if err != nil {
		return false, err
	}
	changes := []rules.Change{{Key: key, Old: old, New: value}}
	if claimed, err := o.reviveClaim(ctx, r); err != nil {
		return false, err
	} else if claimed != nil {
		changes = append(changes, *claimed)
	}
	if err := o.changeRecords(ctx, changes...); err != nil {
		return false, err
	}
	o.book.follow(l, r, false, o.cfg.Clock(), o.cfg.Rebroadcast)
	return true, nil
}

// reviveClaim returns the change of the idempotency key of a transaction that was
// refused, nil if there is none, or if the key has another one by now. While the key is
// begun, or refused again, all that was kept since it was claimed was kept for it.
func (o *Outbox) reviveClaim(ctx context.Context, r *record) (*rules.Change, error) {
	if r.Claim == "" {
		return nil, nil
	}
	value, err := o.cfg.Records.Record(ctx, r.Claim)
	if err != nil || value == nil {
		return nil, err
	}
	c, err := decodeClaim(r.Claim, value)
	if err != nil || c.State == claimDone || c.Record == "" || c.Record != r.key() && r.Kept.Before(c.Time) {
		return nil, err
	}
	done, err := c.to(claimDone, r)
	return &done, err
}

// alive looks whether a transaction that was refused and that an idempotency key had is
// under way after all, and returns its hash. From then on it is followed, and the key's.
func (o *Outbox) alive(ctx context.Context, c *claim) (hash common.Hash, is bool, err error) {
	r, err := o.read(ctx, c.Record)
	switch {
	case err != nil:
		return hash, false, recordsError{fmt.Errorf("reading the transaction of an idempotency key: %w", err)}
	case r == nil: // it was refused long ago
		return hash, false, nil
	case r.State != StateRejected:
		if r.Untold {
			o.toldOf(ctx, r.lane(), r.Nonce, r.Hash)
		}
		return r.Hash, r.State != StateReplaced, nil
	}
	l := o.book.lane(r.lane())
	leave, err := o.takeTurn(ctx, l)
	if err != nil {
		return hash, false, err
	}
	defer leave()
	if err := o.settleDoubt(ctx, l); err != nil {
		return hash, false, err
	}
	asked := []refusedTx{{nonce: r.Nonce, hash: r.Hash}}
	for _, of := range l.refused { // it may have had several, one after the other
		if of.claim == c.key && of.hash != r.Hash {
			asked = append(asked, of)
		}
	}
	known, err := o.knows(ctx, asked)
	if err != nil {
		return hash, false, err
	}
	if _, err := o.findIn(ctx, l, asked, known, standing{mined: math.MaxUint64}); err != nil {
		return hash, false, recordsError{fmt.Errorf("reading what used the nonce of a refused transaction: %w", err)}
	}
	for i, of := range asked {
		if !known[i] {
			continue
		}
		_, err := o.revive(ctx, l, of, false)
		switch {
		case errors.Is(err, rules.ErrConflict):
			return hash, false, errKeyBusy()
		case err != nil:
			return hash, false, recordsError{fmt.Errorf("following a transaction that was refused: %w", err)}
		}
		l.refused = slices.DeleteFunc(l.refused, func(other refusedTx) bool { return other.hash == of.hash })
		o.log.WarnContext(ctx, "Transaction is under way, though the node refused it", "hash", of.hash, "account", l.id.account, "nonce", of.nonce)
		return of.hash, true, nil
	}
	return hash, false, nil
}
