package outbox

import (
	"context"
	"errors"

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
}

// remember remembers a refused transaction, until its nonce is used.
func (l *lane) remember(r *record) {
	if len(l.refused) >= maxRefused {
		l.refused = l.refused[1:]
	}
	l.refused = append(l.refused, refusedTx{r.key(), r.Nonce, r.Hash})
}

// checkRefused looks whether the nonces below a count are used by transactions that the
// node refused: where several nodes answer, one may have taken what another did not.
// Their sender may be about to pay again. So the error says that one is under way, once;
// from then on it is followed.
func (o *Outbox) checkRefused(ctx context.Context, l *lane, count uint64) error {
	var below, above []refusedTx
	for _, r := range l.refused {
		if r.nonce < count {
			below = append(below, r)
		} else {
			above = append(above, r)
		}
	}
	if len(below) == 0 {
		return nil
	}
	known, err := o.knows(ctx, below)
	if err != nil {
		return err
	}
	l.refused = above
	var told error
	for i, r := range below {
		if !known[i] {
			continue
		}
		refused, err := o.revive(ctx, l, r)
		if err != nil {
			l.refused = append(l.refused, below[i:]...)
			return err
		}
		if !refused { // it was sent again since, and taken
			continue
		}
		o.log.WarnContext(ctx, "Transaction is under way, though the node refused it", "hash", r.hash, "account", l.id.account, "nonce", r.nonce)
		told = refuse("transaction %v, which the node refused before, is under way after all: look for it before you send it again", r.hash)
	}
	return told
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
// refused, nil if there is none.
func (o *Outbox) reviveClaim(ctx context.Context, r *record) (*rules.Change, error) {
	if r.Claim == "" {
		return nil, nil
	}
	value, err := o.cfg.Records.Record(ctx, r.Claim)
	if err != nil || value == nil {
		return nil, err
	}
	c, err := decodeClaim(r.Claim, value)
	if err != nil || c.State != claimRefused || c.Record != r.key() {
		return nil, err
	}
	done, err := c.to(claimDone, r)
	return &done, err
}
