package outbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of what is kept of the past.
const (
	maxFinished = 300_000  // transactions, by default; the oldest go first
	sweepAfter  = 20_000   // transactions that end before the next sweep
	sweptAtOnce = 16_384   // records of one sweep
	sweptBytes  = 32 << 20 // of the records of one sweep
)

// past is a record that can be removed.
type past struct {
	key   string
	value []byte
	time  time.Time
}

// errEnough ends the reading of records.
var errEnough = errors.New("enough")

// heap is what one sweep removes.
type heap struct {
	records []past
	bytes   int
}

// add adds a record, and reports whether that is enough.
func (h *heap) add(key string, value []byte, when time.Time) error {
	h.records = append(h.records, past{key, value, when})
	h.bytes += len(value)
	if h.full() {
		return errEnough
	}
	return nil
}

func (h *heap) full() bool { return len(h.records) >= sweptAtOnce || h.bytes >= sweptBytes }

// sweepSometimes removes what is no longer to be kept: now and then, when much has
// come to its end, and with every look while there is more of it.
func (o *Outbox) sweepSometimes(ctx context.Context) {
	now := o.cfg.Clock()
	every := min(max(o.cfg.Retain/64, time.Second), 15*time.Minute)
	age := now.Sub(o.follower.swept)
	switch recently := !o.follower.swept.IsZero() && age >= 0 && age < every; {
	case !recently:
		o.follower.sweptBefore, o.follower.swept = o.follower.swept, now
	case !o.follower.unswept && o.finished.Load() < o.sweepAfter:
		return
	}
	o.finished.Store(0)
	// What is old must have been so a while ago: a clock that is ahead for some minutes
	// would take the keys from requests whose retries then pay again.
	if now.After(o.follower.sweptBefore) {
		now = o.follower.sweptBefore
	}
	var err error
	if o.follower.unswept, err = o.sweep(ctx, now); err != nil && ctx.Err() == nil {
		o.log.ErrorContext(ctx, "Old records not removed", "error", err)
	}
}

// sweep removes finished transactions, idempotency keys and drafts that are older than
// they are kept, and the oldest transactions beyond their number. It reports whether there
// is more to remove.
func (o *Outbox) sweep(ctx context.Context, now time.Time) (more bool, err error) {
	transactions, err := o.pastTransactions(ctx, now.Add(-o.cfg.Retain))
	if err != nil {
		return false, err
	}
	keys, err := o.pastKeys(ctx, now.Add(-o.cfg.Retain))
	if err != nil {
		return false, err
	}
	if _, err := o.remove(ctx, transactions.records); err != nil {
		return false, err
	}
	removed, err := o.remove(ctx, keys.records)
	o.claims.Add(-int64(removed))
	if err != nil {
		return false, err
	}
	drafts, err := o.pastParked(ctx, now.Add(-parkedFor))
	if err == nil {
		_, err = o.remove(ctx, drafts.records)
	}
	return err == nil && (transactions.full() || keys.full()), err
}

// pastTransactions finds finished transactions that ended before a time, or that are
// too many.
func (o *Outbox) pastTransactions(ctx context.Context, before time.Time) (old heap, err error) {
	var (
		refused int64
		times   []time.Time
	)
	err = o.eachFinished(ctx, func(key string, value []byte, r *record) error {
		switch {
		case !r.Changed.Before(before):
			times = append(times, r.Changed)
			if r.State == StateRejected {
				refused += r.refused()
			}
		case !old.full():
			_ = old.add(key, value, r.Changed) // the others are still counted
		}
		return nil
	})
	if err != nil {
		return old, err
	}
	o.refusedBytes.Store(refused)
	excess := len(times) - o.maxFinished
	if excess <= 0 || old.full() {
		return old, nil
	}
	slices.SortFunc(times, time.Time.Compare)
	limit := times[excess]
	err = o.eachFinished(ctx, func(key string, value []byte, r *record) error {
		if r.Changed.Before(before) || !r.Changed.Before(limit) {
			return nil
		}
		return old.add(key, value, r.Changed)
	})
	return old, enough(err)
}

// eachFinished calls a function for the transactions that are no longer followed.
func (o *Outbox) eachFinished(ctx context.Context, do func(key string, value []byte, r *record) error) error {
	return o.cfg.Records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		if err != nil || r.followed() {
			return err
		}
		return do(key, value, r)
	})
}

// pastKeys finds the scope's idempotency keys that are older than they are kept.
func (o *Outbox) pastKeys(ctx context.Context, before time.Time) (old heap, err error) {
	err = o.cfg.Records.EachRecord(ctx, prefixKeys+o.cfg.Scope+"/", func(key string, value []byte) error {
		c, err := decodeClaim(key, value)
		if err != nil || !c.Time.Before(before) || o.underWay(c) {
			return err
		}
		return old.add(key, value, c.Time)
	})
	return old, enough(err)
}

// enough is the error with which a reading ended, unless it was no more than that it
// had read enough.
func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// underWay reports whether the transaction of a key is not finished yet. Such a key
// is kept: without it a late retry would pay a second time.
func (o *Outbox) underWay(c *claim) bool {
	if c.Hash == nil {
		return false
	}
	_, followed := o.book.find(*c.Hash)
	return followed
}

// Bounds of the records that are removed at once.
const (
	removedAtOnce = 128
	removedBytes  = 8 << 20
)

// remove removes records that are still as they were, and returns how many.
func (o *Outbox) remove(ctx context.Context, old []past) (removed int, err error) {
	return removeRecords(ctx, o.changeRecords, old)
}

func removeRecords(ctx context.Context, change func(context.Context, ...rules.Change) error, old []past) (removed int, err error) {
	for len(old) > 0 {
		var changes []rules.Change
		bytes := 0
		for len(changes) < min(removedAtOnce, len(old)) && (len(changes) == 0 || bytes < removedBytes) {
			record := old[len(changes)]
			changes = append(changes, rules.Change{Key: record.key, Old: record.value})
			bytes += len(record.value)
		}
		old = old[len(changes):]
		switch err := change(ctx, changes...); {
		case errors.Is(err, rules.ErrConflict): // the next sweep sees to it
		case err != nil:
			return removed, err
		default:
			removed += len(changes)
		}
	}
	return removed, nil
}
