package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// What is left of an outbox that runs no more goes or stays by what another outbox
// with the same accounts could do wrong without it:
//
//   - a transaction that is final, or replaced by one that is, goes at once: nothing can
//     become of it any more;
//   - one under way stays, for as long as it takes. It may be mined at any time, the
//     records alone have its bytes, and its idempotency key is its sender's;
//   - one that is mined, or replaced, and not deep in the chain stays for the time
//     that finished ones are kept, which no reorganisation outlasts;
//   - so does one that the node refused: another node may have taken it, and its sender
//     must hear of that before it pays again;
//   - an idempotency key stays as long as a running outbox keeps it: until then a
//     retry must find it, or it pays a second time;
//   - a draft that people were asked about goes with time: without it they are asked again;
//   - a lane stays for good. It is small, and a node that lags, or has lost its pool,
//     counts too few of an account's transactions, so that a nonce would be used again.

// SweepRemains removes what need not stay of an outbox that runs no more. What is
// kept for a time goes if it is older than before.
func SweepRemains(ctx context.Context, records rules.Records, before time.Time) error {
	for more := true; more; {
		transactions, inFlight, err := remainingTransactions(ctx, records, before)
		if err != nil {
			return fmt.Errorf("reading transactions: %w", err)
		}
		var keys heap
		err = enough(records.EachRecord(ctx, prefixKeys, func(key string, value []byte) error {
			c, err := decodeClaim(key, value)
			if err != nil || !c.Time.Before(before) || c.Hash != nil && inFlight[*c.Hash] {
				return err
			}
			return keys.add(key, value, c.Time)
		}))
		if err != nil {
			return fmt.Errorf("reading idempotency keys: %w", err)
		}
		var drafts heap
		err = enough(eachDraft(ctx, records, prefixDrafts, func(key string, value []byte, r *parkedRecord, _ error) error {
			if !r.Asked.Before(before) {
				return nil
			}
			return drafts.add(key, value, r.Asked)
		}))
		if err != nil {
			return fmt.Errorf("reading drafts: %w", err)
		}
		for _, old := range []heap{transactions, keys, drafts} {
			if _, err := removeRecords(ctx, records.ChangeRecords, old.records); err != nil {
				return fmt.Errorf("removing old records: %w", err)
			}
		}
		more = transactions.full() || keys.full() || drafts.full()
	}
	return nil
}

// remainingTransactions finds transactions that can go, and those that are under way.
func remainingTransactions(ctx context.Context, records Reader, before time.Time) (old heap, inFlight map[common.Hash]bool, err error) {
	inFlight = make(map[common.Hash]bool)
	err = records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		switch {
		case err != nil:
			return err
		case r.State.InFlight():
			inFlight[r.Hash] = true
		case !old.full() && (r.over() || r.Changed.Before(before)):
			_ = old.add(key, value, r.Changed) // the others are still looked at
		}
		return nil
	})
	return old, inFlight, err
}

// over reports whether nothing can become of a transaction any more.
func (r *record) over() bool { return !r.followed() && r.State != StateRejected }

// Bounds of what is inherited at once.
const (
	inheritedAtOnce = 100
	inheritedBytes  = 2 << 20
	maxDisturbed    = 16 // passes that others disturb
)

// Inherit moves what is left of an outbox that runs no more to one that does not run
// yet, in the same store: from the keys below one prefix to those below another. It
// moves lanes of accounts that the other takes, their transactions, and the keys of
// these, so that the other goes on where the first ended. Where both have a record the
// other's stays; of lanes the later nonce counts. It may be called again after it was
// cut off.
func Inherit(ctx context.Context, store rules.Records, from, to string, takes func(chain string, account common.Address) bool) error {
	for disturbed := 0; ; {
		found, err := heritage(ctx, store, from, takes)
		if err != nil || len(found.records) == 0 {
			return err
		}
		var changes []rules.Change
		for _, of := range found.records {
			moved, err := bequeath(ctx, store, of, from, to)
			if err != nil {
				return err
			}
			changes = append(changes, moved...)
		}
		switch err := store.ChangeRecords(ctx, changes...); {
		case errors.Is(err, rules.ErrConflict) && disturbed < maxDisturbed:
			disturbed++
		case err != nil:
			return fmt.Errorf("moving records from %s to %s: %w", from, to, err)
		}
	}
}

// heritage returns some of the records below a prefix that an heir takes.
func heritage(ctx context.Context, store Reader, from string, takes func(chain string, account common.Address) bool) (found heap, err error) {
	err = store.EachRecord(ctx, from, func(key string, value []byte) error {
		id, of, err := laneOfRecord(strings.TrimPrefix(key, from), value)
		if err != nil || !of || !takes(id.chain, id.account) {
			return err
		}
		_ = found.add(key, value, time.Time{}) // its bounds are above these
		if len(found.records) >= inheritedAtOnce || found.bytes >= inheritedBytes {
			return errEnough
		}
		return nil
	})
	if err = enough(err); err != nil {
		return found, fmt.Errorf("reading records below %s: %w", from, err)
	}
	return found, nil
}

// bequeath returns the changes that move one record.
func bequeath(ctx context.Context, store rules.Records, of past, from, to string) ([]rules.Change, error) {
	own := strings.TrimPrefix(of.key, from)
	there, err := store.Record(ctx, to+own)
	if err != nil {
		return nil, err
	}
	gone, kept := rules.Change{Key: of.key, Old: of.value}, rules.Change{Key: to + own, Old: there, New: of.value}
	if there == nil {
		return []rules.Change{gone, kept}, nil
	}
	if !strings.HasPrefix(own, prefixLanes) {
		return []rules.Change{gone}, nil
	}
	next, err := decodeLane(of.key, of.value)
	if err != nil {
		return nil, err
	}
	later, err := decodeLane(to+own, there)
	if err != nil {
		return nil, err
	}
	kept.New = encodeLane(max(next, later))
	return []rules.Change{gone, kept}, nil
}

// laneOfRecord returns the lane that a record is of. A key that was begun and has had
// no transaction is of none: nothing was sent for it.
func laneOfRecord(key string, value []byte) (id laneID, of bool, err error) {
	switch {
	case strings.HasPrefix(key, prefixLanes):
		id, err = laneOf(key)
		return id, err == nil, err
	case strings.HasPrefix(key, prefixTransactions):
		r, err := decodeRecord(key, value)
		if err != nil {
			return laneID{}, false, err
		}
		return r.lane(), true, nil
	case strings.HasPrefix(key, prefixKeys):
		c, err := decodeClaim(key, value)
		if err != nil || c.Record == "" {
			return laneID{}, false, err
		}
		parts := strings.Split(c.Record, "/") // tx/CHAIN/ACCOUNT/NONCE/HASH
		if len(parts) != 5 {
			return laneID{}, false, fmt.Errorf("reading record %s: %.100q is no transaction's", key, c.Record)
		}
		id, err := laneOf(prefixLanes + parts[1] + "/" + parts[2])
		return id, err == nil, err
	default:
		return laneID{}, false, nil
	}
}

// HasLanes reports whether any account has sent, by the records of an outbox, whether or
// not it runs.
func HasLanes(ctx context.Context, records Reader) (has bool, err error) {
	err = records.EachRecord(ctx, prefixLanes, func(string, []byte) error {
		has = true
		return errEnough
	})
	if err = enough(err); err != nil {
		return false, fmt.Errorf("reading lanes: %w", err)
	}
	return has, nil
}

// HasLane reports whether an account has sent on a chain, by the records of an outbox,
// whether or not it runs.
func HasLane(ctx context.Context, records rules.Records, chain uint64, account common.Address) (bool, error) {
	value, err := records.Record(ctx, prefixLanes+laneID{fmt.Sprint(chain), account}.path())
	if err != nil {
		return false, fmt.Errorf("reading a lane: %w", err)
	}
	return value != nil, nil
}
