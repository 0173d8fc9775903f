package bolt

import (
	"bytes"
	"context"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// maxRoom is how many charges, of all counters, are looked at to say when there
// is room.
const maxRoom = 1 << 8

// Usage tells what counts against a counter. It reads the whole queue, while
// others write; what was committed within the last moments may still be held.
func (s *Store) Usage(ctx context.Context, counter string) (rules.Usage, error) {
	if err := s.usable(ctx); err != nil {
		return rules.Usage{}, err
	}
	if err := s.settled(ctx); err != nil {
		return rules.Usage{}, err
	}
	var usage rules.Usage
	err := s.writer.view(func(tx *bbolt.Tx) error {
		t, err := newTables(tx)
		if err != nil {
			return err
		}
		var live []rules.Live
		err = t.eachCharge(func(k chargeKey, c charge) (more bool, err error) {
			if c.counter == counter {
				hold, err := t.get(bucketHolds, holdKey(k.hold))
				if err != nil {
					return false, err
				}
				live = append(live, rules.Live{Slot: c.slot, Amount: c.amount, Expires: k.expires, Open: hold != nil})
			}
			return true, context.Cause(ctx)
		})
		usage = rules.Tally(live, max(s.writer.clock().UnixNano(), t.state.now))
		return err
	})
	if err != nil {
		return rules.Usage{}, err
	}
	return usage, nil
}

// usable refuses what is asked of a store that has ended.
func (s *Store) usable(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	if s.writer.closed {
		return ErrClosed
	}
	return s.writer.broken
}

// findRoom says when there is room for a charge that was refused, if that is
// among what expires next. What can't be read is not told: it is not worth an
// error.
func (s *Store) findRoom(ctx context.Context, over *rules.OverLimitError) {
	if s.settled(ctx) != nil {
		return
	}
	_ = s.writer.view(func(tx *bbolt.Tx) error {
		t, err := newTables(tx)
		if err != nil {
			return err
		}
		expiring := func(yield func(rules.Live) bool) {
			seen := 0
			_ = t.eachCharge(func(k chargeKey, c charge) (more bool, err error) {
				seen++
				more = seen < maxRoom
				if c.counter == over.Charge.Counter && !yield(rules.Live{Slot: c.slot, Amount: c.amount, Expires: k.expires}) {
					more = false
				}
				return more, nil
			})
		}
		over.RoomAfter(expiring, func(slot string) []rules.Live {
			live, _ := t.inSlot(over.Charge.Counter, slot)
			return live
		})
		return nil
	})
}

// eachCharge calls a function with the charges in order of expiry, as long as it
// wants more.
func (t *tables) eachCharge(each func(k chargeKey, c charge) (more bool, err error)) error {
	bucket, err := t.bucket(bucketQueue)
	if err != nil {
		return err
	}
	cursor := bucket.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		k, err := decodeChargeKey(key)
		if err != nil {
			return err
		}
		c, err := decodeCharge(value)
		if err != nil {
			return err
		}
		if more, err := each(k, c); !more || err != nil {
			return err
		}
	}
	return nil
}

// inSlot returns the charges of a slot.
func (t *tables) inSlot(counter, slot string) (live []rules.Live, err error) {
	bucket, err := t.bucket(bucketSlots)
	if err != nil {
		return nil, err
	}
	prefix := slotPrefix(counter, slot)
	cursor := bucket.Cursor()
	for key, value := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		c, k, err := decodeSlot(key, value)
		if err != nil {
			return nil, err
		}
		live = append(live, rules.Live{Slot: slot, Amount: c.amount, Expires: k.expires})
	}
	return live, nil
}
