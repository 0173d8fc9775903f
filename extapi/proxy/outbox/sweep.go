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
	maxFinished = 300_000 // transactions; the oldest go first
	sweptAtOnce = 4_096   // records of one sweep
)

// past is a record that can be removed.
type past struct {
	key   string
	value []byte
	time  time.Time
}

// errEnough ends the reading of records.
var errEnough = errors.New("enough")

// sweepSometimes removes what is no longer to be kept, now and then.
func (o *Outbox) sweepSometimes(ctx context.Context) {
	now := o.cfg.Clock()
	every := min(max(o.cfg.Retain/64, time.Second), 15*time.Minute)
	if age := now.Sub(o.follower.swept); !o.follower.swept.IsZero() && age >= 0 && age < every {
		return
	}
	o.follower.swept = now
	if err := o.sweep(ctx, now); err != nil && ctx.Err() == nil {
		o.log.ErrorContext(ctx, "Old records not removed", "error", err)
	}
}

// sweep removes finished transactions and idempotency keys that are older than they
// are kept, and the oldest transactions beyond their number.
func (o *Outbox) sweep(ctx context.Context, now time.Time) error {
	transactions, err := o.pastTransactions(ctx, now.Add(-o.cfg.Retain))
	if err != nil {
		return err
	}
	keys, err := o.pastKeys(ctx, now.Add(-o.cfg.Retain))
	if err != nil {
		return err
	}
	if _, err := o.remove(ctx, transactions); err != nil {
		return err
	}
	removed, err := o.remove(ctx, keys)
	o.claims.Add(-int64(removed))
	return err
}

// pastTransactions finds finished transactions that ended before a time, or that are
// too many.
func (o *Outbox) pastTransactions(ctx context.Context, before time.Time) ([]past, error) {
	var (
		old      []past
		finished int
		refused  int64
		times    []time.Time
	)
	err := o.cfg.Records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		switch {
		case err != nil:
			return err
		case r.followed():
			return nil
		case r.Changed.Before(before):
			if len(old) < sweptAtOnce {
				old = append(old, past{key, value, r.Changed})
			}
			return nil
		}
		finished++
		if r.State == StateRejected {
			refused += int64(len(r.Bytes))
		}
		times = append(times, r.Changed)
		return nil
	})
	if err == nil {
		o.refusedBytes.Store(refused)
	}
	if err != nil || finished <= maxFinished {
		return old, err
	}
	slices.SortFunc(times, time.Time.Compare)
	limit := times[finished-maxFinished]
	err = o.cfg.Records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		if err == nil && !r.followed() && r.Changed.Before(limit) {
			if old = append(old, past{key, value, r.Changed}); len(old) >= sweptAtOnce {
				return errEnough
			}
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return old, err
}

// pastKeys finds the scope's idempotency keys that are older than they are kept.
func (o *Outbox) pastKeys(ctx context.Context, before time.Time) ([]past, error) {
	var old []past
	err := o.cfg.Records.EachRecord(ctx, prefixKeys+o.cfg.Scope+"/", func(key string, value []byte) error {
		c, err := decodeClaim(key, value)
		if err == nil && c.Time.Before(before) && !o.underWay(c) {
			if old = append(old, past{key, value, c.Time}); len(old) >= sweptAtOnce {
				return errEnough
			}
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return old, err
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

// remove removes records that are still as they were, and returns how many.
func (o *Outbox) remove(ctx context.Context, old []past) (removed int, err error) {
	for some := range slices.Chunk(old, updatesAtOnce/16) {
		changes := make([]rules.Change, len(some))
		for i, record := range some {
			changes[i] = rules.Change{Key: record.key, Old: record.value}
		}
		switch err := o.changeRecords(ctx, changes...); {
		case errors.Is(err, rules.ErrConflict): // the next sweep sees to it
		case err != nil:
			return removed, err
		default:
			removed += len(some)
		}
	}
	return removed, nil
}
