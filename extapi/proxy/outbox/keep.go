package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// storeTimeout bounds a change of records that nobody may cancel.
const storeTimeout = 15 * time.Second

// maxRefusedBytes bounds the bytes of refused transactions that are kept, with what
// nodes said of them: whoever may send could fill the store with them.
const maxRefusedBytes = 64 << 20

// errMoved is for a lane whose record another writer changed. Nothing was kept.
var errMoved = errors.New("another writer has used the lane")

// changeRecords makes changes, whether or not the caller is still there.
func (o *Outbox) changeRecords(ctx context.Context, changes ...rules.Change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return o.cfg.Records.ChangeRecords(ctx, changes...)
}

// keep makes a signed transaction durable, together with the lane's next nonce and
// the idempotency key that it is for, and follows it. Before it returns nothing of
// the transaction may be sent; after an error nothing is.
func (o *Outbox) keep(ctx context.Context, l *lane, r *record, old []byte, c *claim) (*entry, error) {
	if c != nil {
		r.Claim, r.Keyed = c.key, true
	}
	value, err := r.encode()
	if err != nil {
		return nil, spentError{err}
	}
	changes := []rules.Change{{Key: r.key(), Old: old, New: value}}
	if r.advanced = r.Nonce == l.next || r.Own && r.Nonce > l.next; r.advanced {
		changes = append(changes, l.laneChange(r.Nonce+1))
	} else if o.cfg.Shared != nil {
		changes = append(changes, l.check())
	}
	if c != nil {
		done, err := c.to(claimDone, r)
		if err != nil {
			return nil, spentError{err}
		}
		changes = append(changes, done)
	}
	e, err := o.keepNow(ctx, l, r, changes)
	if err != nil {
		if err := o.notKept(ctx, l, r, c, err); err != nil {
			return nil, err
		}
		e = o.follow(l, r)
	}
	l.took(changes)
	c.took(changes)
	return e, nil
}

// keepNow makes the changes that keep a transaction, and follows it.
func (o *Outbox) keepNow(ctx context.Context, l *lane, r *record, changes []rules.Change) (*entry, error) {
	o.shared.mu.RLock()
	defer o.shared.mu.RUnlock()
	if err := o.changeRecords(ctx, changes...); err != nil {
		return nil, err
	}
	return o.follow(l, r), nil
}

// follow follows a transaction that is about to be sent for the first time.
func (o *Outbox) follow(l *lane, r *record) *entry {
	return o.book.follow(l, r, true, o.cfg.Clock(), o.cfg.Rebroadcast)
}

// notKept finds out whether a transaction was kept in spite of an error. It returns
// nil if it was.
func (o *Outbox) notKept(ctx context.Context, l *lane, r *record, c *claim, err error) error {
	switch {
	case errors.Is(err, rules.ErrConflict):
		switch lost, unread := o.lost(ctx, c); {
		case unread != nil:
			return spentError{fmt.Errorf("reading an idempotency key: %w", unread)}
		case lost:
			o.log.WarnContext(ctx, "Transaction signed and not sent: its caller asked another process, which ended its idempotency key", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce)
			return spentError{errEnded}
		}
		return o.moved(ctx, l)
	case errors.Is(err, rules.ErrRecordsFull):
		return spentError{&busyError{"the signer has no room for more transactions", time.Minute}}
	}
	kept, unread := o.wasKept(ctx, r)
	switch {
	case unread != nil:
		l.doubts(r)
		o.log.ErrorContext(ctx, "Transaction may be kept, and was not sent", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce, "error", errors.Join(err, unread))
		return spentError{errDoubt}
	case !kept:
		o.log.ErrorContext(ctx, "Transaction not kept, and so not sent", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce, "error", err)
		return spentError{errNotKept}
	default:
		return nil
	}
}

// moved reads a lane again that another writer has changed, after something was signed
// in vain. The error is errMoved, or what keeps from reading it.
func (o *Outbox) moved(ctx context.Context, l *lane) error {
	again := o.reload
	if o.cfg.Shared != nil {
		again = o.catchUp
	}
	if err := again(context.WithoutCancel(ctx), l); err != nil {
		return spentError{fmt.Errorf("reading a lane again: %w", err)}
	}
	return errMoved
}

// wasKept reads whether the record of a transaction is as it was to be kept.
func (o *Outbox) wasKept(ctx context.Context, r *record) (bool, error) {
	want, err := r.encode()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	value, err := o.cfg.Records.Record(ctx, r.key())
	return err == nil && bytes.Equal(value, want), err
}

// reject records that a node refused a transaction, gives back its nonce and, if
// its sender is to have another, its idempotency key. Only when that is durable may
// the sender be told: else the transaction would be sent again after a crash,
// although it was sent anew.
func (o *Outbox) reject(ctx context.Context, l *lane, r *record, c *claim, node *nodeError, again bool) error {
	old, err := r.encode()
	if err != nil {
		return err
	}
	rejected := *r
	rejected.State, rejected.Refusal, rejected.Changed = StateRejected, node.refusal(), o.cfg.Clock().UTC()
	rejected.Principal = extapi.PrincipalOf(ctx)
	if rejected.Bytes = withoutBlobs(r.Bytes); o.refusedBytes.Load()+rejected.refused() > maxRefusedBytes {
		rejected.Bytes, rejected.Refusal = nil, node.brief()
	}
	value, err := rejected.encode()
	if err != nil {
		return err
	}
	changes := []rules.Change{{Key: r.key(), Old: old, New: value}}
	if r.advanced && l.next == r.Nonce+1 {
		changes = append(changes, l.laneChange(r.Nonce))
	}
	if c != nil {
		state := claimRefused
		if again {
			state = claimBegun // with the refused one, which may turn out to be under way
		}
		claimed, err := c.to(state, r)
		if err != nil {
			return err
		}
		changes = append(changes, claimed)
	}
	o.shared.mu.RLock()
	defer o.shared.mu.RUnlock()
	if err := o.insist(ctx, changes); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	l.took(changes)
	c.took(changes)
	l.known = false
	if r.Own {
		o.book.setAhead(l, true)
	}
	if r.Nonce < l.next { // it may not be missing at all
		o.book.setMissing(l, nil)
	}
	o.refusedBytes.Add(rejected.refused())
	o.finished.Add(1)
	o.book.drop(r.Hash)
	l.remember(refusedOf(&rejected))
	return nil
}

// refused is how many bytes of a refused transaction are kept that could be left out.
func (r *record) refused() int64 {
	if r.Refusal == nil {
		return int64(len(r.Bytes))
	}
	return int64(len(r.Bytes) + len(r.Refusal.Text) + len(r.Refusal.Data))
}

// insist makes changes of which it is not known whether an earlier attempt made
// them, a few times.
func (o *Outbox) insist(ctx context.Context, changes []rules.Change) error {
	var failed error
	for range 3 {
		err := o.changeRecords(ctx, changes...)
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, err)
		if now, err := o.cfg.Records.Record(context.WithoutCancel(ctx), changes[0].Key); err == nil && bytes.Equal(now, changes[0].New) {
			return nil
		}
	}
	return failed
}

// withoutBlobs drops the sidecar of a raw transaction, which its hash does not cover.
func withoutBlobs(raw []byte) []byte {
	tx := new(types.Transaction)
	if len(raw) == 0 || raw[0] != types.BlobTxType || tx.UnmarshalBinary(raw) != nil {
		return raw
	}
	short, err := tx.WithoutBlobTxSidecar().MarshalBinary()
	if err != nil {
		return raw
	}
	return short
}
