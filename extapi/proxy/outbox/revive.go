package outbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// maxRefused bounds the refused transactions that a lane remembers.
const maxRefused = 16

// refusedTx is a transaction that the node refused. Its sender was told so.
type refusedTx struct {
	key   string // of its record
	nonce uint64
	hash  common.Hash
	claim string    // the record of its idempotency key
	used  time.Time // since when its nonce is known to be used, and it is not known itself
	other bool      // a block, or what is final here, shows another transaction with its nonce
	again time.Time // before which its block is not looked for
}

// remember remembers a refused transaction, until its nonce is another one's for certain.
func (l *lane) remember(r *record) {
	l.refused = slices.DeleteFunc(l.refused, func(of refusedTx) bool { return of.hash == r.Hash })
	if len(l.refused) >= maxRefused {
		l.refused = l.refused[1:]
	}
	l.refused = append(l.refused, refusedTx{key: r.key(), nonce: r.Nonce, hash: r.Hash, claim: r.Claim})
}

// aliveError tells that a transaction is under way that a node refused.
type aliveError struct {
	hash common.Hash
	publicError
}

// Unwrap returns the text that is fit for the caller.
func (e *aliveError) Unwrap() error { return e.publicError }

// checkRefused looks whether the nonces of which the node says that they have been used
// are used by transactions that it refused: where several nodes answer, one may have taken
// what another did not. Their sender may be about to pay again. So the error says that one
// is under way, once; from then on it is followed.
func (o *Outbox) checkRefused(ctx context.Context, l *lane, seen standing) error {
	var below, left []refusedTx
	for _, r := range l.refused {
		if r.nonce < seen.next || r.hash == seen.users[r.nonce] {
			below = append(below, r)
		} else {
			left = append(left, r)
		}
	}
	if len(below) == 0 {
		return nil
	}
	known, err := o.knows(ctx, below)
	switch {
	case err != nil && len(seen.users) == 0:
		return err
	case err != nil: // the one of which it is known is told at least
		known = make([]bool, len(below))
	}
	o.findIn(ctx, l, below, known, seen)
	now := o.cfg.Clock()
	var told error
	for i, r := range below {
		if !known[i] {
			if !r.over(now, seen) {
				left = append(left, r)
			}
			continue
		}
		refused, err := o.revive(ctx, l, r)
		if err != nil {
			l.refused = slices.Concat(left, below[i:])
			return err
		}
		if !refused { // it was sent again since, and taken
			continue
		}
		o.log.WarnContext(ctx, "Transaction is under way, though the node refused it", "hash", r.hash, "account", l.id.account, "nonce", r.nonce)
		told = &aliveError{r.hash, publicError(fmt.Sprintf("transaction %v, which the node refused before, is under way after all: look for it before you send it again", r.hash))}
	}
	l.refused = left
	return told
}

// findIn looks in the latest blocks for refused transactions that the node does not know, and
// whose nonces it counts as used: where several nodes answer, one null is no proof that it is
// another one's.
func (o *Outbox) findIn(ctx context.Context, l *lane, refused []refusedTx, known []bool, seen standing) {
	// The account's other transactions wait. That the time is over says nothing of the node.
	ctx, cancel := context.WithTimeoutCause(ctx, judgedFor, context.Canceled)
	defer cancel()
	users := seen.users
	if users == nil {
		users = make(map[uint64]common.Hash)
	}
	for i := range refused {
		r := &refused[i]
		by, asked := users[r.nonce]
		switch {
		case known[i], r.other, !asked && r.nonce >= seen.mined:
			continue
		case !asked:
			by = o.findUser(ctx, l, r)
			users[r.nonce] = by
		}
		known[i], r.other = r.hash == by, by != common.Hash{} && r.hash != by
	}
}

// How long the block that used the nonce of a refused transaction is not looked for again.
const (
	againUntold = time.Minute     // where the node can't tell
	againDeep   = patienceSettled // where it is too old
)

// findUser returns the transaction that used the nonce of a refused one: zero if it is not
// found.
func (o *Outbox) findUser(ctx context.Context, l *lane, r *refusedTx) common.Hash {
	if by, found := o.book.minedAt(l, r.nonce); found {
		return by
	}
	now := o.cfg.Clock()
	if ctx.Err() != nil || now.Before(r.again) && r.again.Sub(now) <= againDeep {
		return common.Hash{}
	}
	if o.book.isFinal(l, r.nonce) { // else the chain has lost it
		if final, err := o.finalAt(ctx, l, r.nonce); err == nil && len(final) > 0 {
			return final[0].Hash
		}
	}
	var (
		said    *nodeError
		by, err = o.userOf(ctx, l, r.nonce)
	)
	switch {
	case errors.Is(err, errDeep):
		r.again = now.Add(againDeep)
	case errors.Is(err, errNotShown), errors.As(err, &said):
		r.again = now.Add(againUntold)
	}
	return by
}

// over reports whether a refused transaction need not be looked for any more: its nonce has
// been used for so long, while no node that was asked knew it, that it is another one's.
func (r *refusedTx) over(now time.Time, seen standing) bool {
	switch {
	case r.nonce >= seen.mined || now.Before(r.used): // in a pool alone, or the clock went back
		r.used = time.Time{}
	case r.used.IsZero():
		r.used = now
	default:
		return now.Sub(r.used) >= patienceSettled
	}
	return false
}

// knows asks the node which transactions it knows. One of which it can't tell it does
// not: no account is to wait for that.
func (o *Outbox) knows(ctx context.Context, refused []refusedTx) ([]bool, error) {
	found := make([]*struct {
		Hash common.Hash `json:"hash"`
	}, len(refused))
	calls := make([]rpc.BatchElem, len(refused))
	for i, r := range refused {
		calls[i] = rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{r.hash}, Result: &found[i]}
	}
	o.client.batch(ctx, calls)
	known := make([]bool, len(refused))
	for i, r := range refused {
		var fault *faultError
		if errors.As(calls[i].Error, &fault) {
			return nil, fault
		}
		known[i] = found[i] != nil && found[i].Hash == r.hash
	}
	return known, nil
}

// revive follows a transaction that was refused, and gives its idempotency key its
// hash. One whose bytes are gone stays as it is. It reports whether it was still a
// refused one.
func (o *Outbox) revive(ctx context.Context, l *lane, refused refusedTx) (bool, error) {
	old, err := o.cfg.Records.Record(ctx, refused.key)
	if err != nil || old == nil {
		return false, err
	}
	r, err := decodeRecord(refused.key, old)
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
		return lost, nil
	}
	if len(r.Bytes) == 0 {
		return true, nil
	}
	r.State, r.Refusal, r.Changed = StateUnsure, nil, o.cfg.Clock().UTC()
	value, err := r.encode()
	if err != nil {
		return false, err
	}
	changes := []rules.Change{{Key: refused.key, Old: old, New: value}}
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
	asked := []refusedTx{{key: r.key(), nonce: r.Nonce, hash: r.Hash}}
	for _, of := range l.refused { // it may have had several, one after the other
		if of.claim == c.key && of.hash != r.Hash {
			asked = append(asked, of)
		}
	}
	known, err := o.knows(ctx, asked)
	if err != nil {
		return hash, false, err
	}
	o.findIn(ctx, l, asked, known, standing{mined: math.MaxUint64})
	for i, of := range asked {
		if !known[i] {
			continue
		}
		_, err := o.revive(ctx, l, of)
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
