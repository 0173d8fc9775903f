package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// maxRoom is how many charges, of all counters, are looked at to say when there
// is room.
const maxRoom = 1 << 8

// maxNext is how many charges are looked at to say when the next of each counter no
// longer counts.
const maxNext = 1 << 14

// maxLate is how many charges may have expired without being taken off for a reading to
// pass over them: a store that nothing is held in takes none off by itself.
const maxLate = 1 << 8

// Usage tells what counts against a counter. What was committed just now may be told as
// held.
func (s *Store) Usage(ctx context.Context, counter string) (rules.Usage, error) {
	var usage rules.Usage
	err := s.totals(ctx, func(t *tables, now int64) error {
		kept, _, err := t.counted(ctx, func(name string) bool { return name == counter }, now)
		if err != nil || len(kept) == 0 {
			return err
		}
		at := []Counter{kept[0].At(now)}
		err = t.next(ctx, at, now, math.MaxInt)
		usage = rules.Usage{Used: at[0].Used, Held: at[0].Held, Next: at[0].Next}
		return err
	})
	return usage, err
}

// Totals tells what counts against every counter, by name, and how many holds are not
// settled. It takes no time that grows with what they count: of a counter whose charges
// expire after many of others' it does not tell when the next does.
func (s *Store) Totals(ctx context.Context) (counters []Counter, holds int, err error) {
	err = s.totals(ctx, func(t *tables, now int64) error {
		kept, open, err := t.counted(ctx, func(string) bool { return true }, now)
		if err != nil {
			return err
		}
		counters, holds = make([]Counter, 0, len(kept)), open
		for i := range kept {
			if at := kept[i].At(now); at.Charges > 0 {
				counters = append(counters, at)
			}
		}
		return t.next(ctx, counters, now, maxNext)
	})
	return counters, holds, err
}

// totals reads when the file has all that is held.
func (s *Store) totals(ctx context.Context, read func(t *tables, now int64) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	late := 0
	err := s.readDated(func(t *tables, now int64) error {
		return t.eachCharge(0, func(k chargeKey, _ charge) (more bool, err error) {
			if k.expires > now {
				return false, nil
			}
			late++
			return late <= maxLate, nil
		})
	})
	if err == nil && late > maxLate {
		err = s.writer.perform(ctx, &change{dated: true, apply: func(*tables) error { return nil }})
	}
	if err != nil {
		return err
	}
	return s.readDated(read)
}

// readDated reads the file as of now, or the latest time seen.
func (s *Store) readDated(read func(t *tables, now int64) error) error {
	return s.writer.view(func(tx *bbolt.Tx) error {
		t, err := newTables(tx)
		if err != nil {
			return err
		}
		return read(t, max(s.writer.clock().UnixNano(), t.state.now))
	})
}

// counted reads what is kept of counters, by name, and counts the holds that are not
// settled.
func (t *tables) counted(ctx context.Context, wanted func(counter string) bool, now int64) (kept []store.Kept, holds int, err error) {
	open := make(map[string][]rules.Live)
	slots := make(map[slotName]bool)
	note := func(k chargeKey, c charge, held bool) {
		switch {
		case !wanted(c.counter):
		case c.slot != "":
			slots[slotName{c.counter, c.slot}] = true
		default:
			open[c.counter] = append(open[c.counter], rules.Live{Amount: c.amount, Expires: k.expires, Open: held})
		}
	}
	if holds, err = t.eachHeld(ctx, func(k chargeKey, c charge) { note(k, c, true) }); err != nil {
		return nil, 0, err
	}
	err = t.eachCharge(0, func(k chargeKey, c charge) (more bool, err error) {
		if k.expires > now {
			return false, context.Cause(ctx)
		}
		hold, err := t.get(bucketHolds, holdKey(k.hold))
		if hold == nil {
			note(k, c, false)
		}
		return true, err
	})
	if err != nil {
		return nil, 0, err
	}
	for name := range slots {
		if err := context.Cause(ctx); err != nil {
			return nil, 0, err
		}
		live, err := t.inSlot(name.counter, name.slot)
		if err != nil {
			return nil, 0, err
		}
		open[name.counter] = append(open[name.counter], live...)
	}
	bucket, err := t.bucket(bucketCounters)
	if err != nil {
		return nil, 0, err
	}
	err = bucket.ForEach(func(name, record []byte) error {
		if !wanted(string(name)) {
			return nil
		}
		c, err := decodeCounter(record)
		kept = append(kept, store.Kept{Name: string(name), Total: c.total, Charges: int(c.charges), Open: open[string(name)]})
		return err
	})
	return kept, holds, err
}

// eachHeld calls a function with the charges of holds that are not settled, and returns
// how many holds these are.
func (t *tables) eachHeld(ctx context.Context, each func(k chargeKey, c charge)) (holds int, err error) {
	bucket, err := t.bucket(bucketHolds)
	if err != nil {
		return 0, err
	}
	err = bucket.ForEach(func(key, record []byte) error {
		id, err := decodeHoldKey(key)
		if err != nil {
			return err
		}
		expiries, err := decodeHold(record)
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		holds++
		for i, expires := range expiries {
			k := chargeKey{expires: expires, hold: id, index: uint16(i)}
			record, err := t.get(bucketQueue, k.encode())
			if err != nil {
				return err
			}
			if record == nil {
				continue // it has expired, and was taken off
			}
			c, err := decodeCharge(record)
			if err != nil {
				return err
			}
			each(k, c)
		}
		return nil
	})
	return holds, err
}

// next tells of counters when the next of their charges no longer counts, if that is
// among the first of all.
func (t *tables) next(ctx context.Context, counters []Counter, now int64, most int) error {
	lacking := make(map[string]*Counter, len(counters))
	for i := range counters {
		if counters[i].Charges > 0 {
			lacking[counters[i].Name] = &counters[i]
		}
	}
	return t.eachCharge(now+1, func(k chargeKey, c charge) (more bool, err error) {
		if counter := lacking[c.counter]; counter != nil {
			counter.Next = time.Unix(0, k.expires).UTC()
			delete(lacking, c.counter)
		}
		most--
		return len(lacking) > 0 && most > 0, context.Cause(ctx)
	})
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
			_ = t.eachCharge(0, func(k chargeKey, c charge) (more bool, err error) {
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

// eachCharge calls a function with the charges in order of expiry, from a time on, as
// long as it wants more.
func (t *tables) eachCharge(from int64, each func(k chargeKey, c charge) (more bool, err error)) error {
	bucket, err := t.bucket(bucketQueue)
	if err != nil {
		return err
	}
	cursor := bucket.Cursor()
	first := binary.BigEndian.AppendUint64(nil, uint64(from))
	for key, value := cursor.Seek(first); key != nil; key, value = cursor.Next() {
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
		hold, err := t.get(bucketHolds, holdKey(k.hold))
		if err != nil {
			return nil, err
		}
		live = append(live, rules.Live{Slot: slot, Amount: c.amount, Expires: k.expires, Open: hold != nil})
	}
	return live, nil
}
