package bolt

import (
	"bytes"
	"context"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// maxRoom is how many charges, of all counters, are looked at to say when there
// is room.
const maxRoom = 1 << 10

// Usage tells what counts against a counter. It reads the whole queue, while
// others write; what was committed within the last moments may still be held.
func (s *Store) Usage(ctx context.Context, counter string) (rules.Usage, error) {
	if err := s.usable(ctx); err != nil {
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
// among what expires next. It is not worth an error.
func (s *Store) findRoom(over *rules.OverLimitError) {
	_ = s.writer.view(func(tx *bbolt.Tx) error {
		t, err := newTables(tx)
		if err != nil {
			return err
		}
		var expiring []rules.Live
		slots := make(map[string][]rules.Live)
		look := func(slot string) (err error) {
			if _, ok := slots[slot]; slot != "" && !ok {
				slots[slot], err = t.inSlot(over.Charge.Counter, slot)
			}
			return err
		}
		if err := look(over.Charge.Slot); err != nil {
			return err
		}
		seen := 0
		err = t.eachCharge(func(k chargeKey, c charge) (more bool, err error) {
			if c.counter == over.Charge.Counter {
				expiring = append(expiring, rules.Live{Slot: c.slot, Amount: c.amount, Expires: k.expires})
				err = look(c.slot)
			}
			seen++
			return seen < maxRoom, err
		})
		if err == nil {
			over.RoomAfter(expiring, slots)
		}
		return err
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
