package outbox

import (
	"context"
	"errors"

	"github.com/kvclef/kvclef/rules"
)

// update is a change of a transaction's record, which its entry follows when it is
// durable.
type update struct {
	entry
	do   func(r *record)
	deep bool // the block in which it is mined is deep enough
}

// Bounds of the updates that are made at once.
const (
	updatesAtOnce = 128
	updateBytes   = 4 << 20 // of raw transactions
)

// persist makes updates durable. It reports whether it could; what it could not
// make is left for the next look.
func (o *Outbox) persist(ctx context.Context, updates []update) bool {
	ok := true
	for len(updates) > 0 {
		n, size := 0, 0
		for n < len(updates) && n < updatesAtOnce && (n == 0 || size+updates[n].bytes <= updateBytes) {
			size += updates[n].bytes
			n++
		}
		if err := o.persistSome(ctx, updates[:n]); err != nil {
			for i := range updates[:n] { // one of them may be another writer's by now
				err := o.persistSome(ctx, updates[i:i+1])
				if errors.Is(err, rules.ErrRecordsFull) && updates[i].deep {
					err = o.persistSome(ctx, []update{o.short(updates[i])})
				}
				if o.byAnother(err) { // what it did is taken over with the next look
					ok = false
				} else if err != nil {
					ok = false
					o.log.ErrorContext(ctx, "Transaction's state not recorded", "hash", updates[i].hash, "error", err)
				}
			}
		}
		updates = updates[n:]
	}
	return ok
}

// short is an update that leaves out the bytes at once, and so makes room in a store
// that is full.
func (o *Outbox) short(u update) update {
	do := u.do
	u.do = func(r *record) {
		do(r)
		o.final(r)
	}
	return u
}

// persistSome makes updates that fit one change.
func (o *Outbox) persistSome(ctx context.Context, updates []update) error {
	o.shared.mu.RLock()
	defer o.shared.mu.RUnlock()
	var (
		changes []rules.Change
		records []*record
		entries []entry
	)
	for _, u := range updates {
		old, err := o.cfg.Records.Record(ctx, u.key)
		if err != nil {
			return err
		}
		if old == nil {
			o.log.ErrorContext(ctx, "Transaction's record is gone: it is no longer followed", "hash", u.hash)
			o.book.drop(u.hash)
			continue
		}
		r, err := decodeRecord(u.key, old)
		if err != nil {
			return err
		}
		if !u.is(r) { // another has changed it, or it was changed here and that was not heard
			o.took(ctx, u.entry, r)
			continue
		}
		u.do(r)
		value, err := r.encode()
		if err != nil {
			return err
		}
		changes = append(changes, rules.Change{Key: u.key, Old: old, New: value})
		records, entries = append(records, r), append(entries, u.entry)
	}
	if len(changes) == 0 {
		return nil
	}
	if err := o.changeRecords(ctx, changes...); err != nil {
		return err
	}
	for i, r := range records {
		o.took(ctx, entries[i], r)
	}
	return nil
}

// took takes over what a record says now.
func (o *Outbox) took(ctx context.Context, was entry, r *record) {
	if r.State != was.state {
		o.log.InfoContext(ctx, "Transaction changed", "state", string(r.State), "hash", r.Hash, "account", r.Account, "nonce", r.Nonce)
	}
	switch r.State {
	case StateMined, StateFinal:
		o.book.used(was.lane, r.Nonce, r.State == StateFinal)
	case StateUnsure:
		o.book.unused(was.lane)
	}
	if !r.followed() {
		o.finished.Add(1)
		o.book.drop(r.Hash)
		return
	}
	o.book.update(r.Hash, func(e *entry) {
		e.state, e.block, e.refusal, e.misses, e.settles = r.State, r.Block, r.Refusal, 0, 0
		if e.state.InFlight() {
			e.due, e.wait = o.cfg.Clock(), o.cfg.Rebroadcast
		}
	})
}

// errGone is for a transaction that is not to be sent again: its bytes are no longer
// there, or another process has found it mined or refused.
var errGone = errors.New("the transaction is not under way any more")

// raw reads the bytes of a transaction that is under way.
func (o *Outbox) raw(ctx context.Context, key string) ([]byte, error) {
	r, err := o.read(ctx, key)
	if err != nil {
		return nil, err
	}
	if r == nil || len(r.Bytes) == 0 || !r.State.InFlight() {
		return nil, errGone
	}
	return r.Bytes, nil
}

// read reads the record of a transaction, nil if there is none.
func (o *Outbox) read(ctx context.Context, key string) (*record, error) {
	value, err := o.cfg.Records.Record(ctx, key)
	if err != nil || value == nil {
		return nil, err
	}
	return decodeRecord(key, value)
}
