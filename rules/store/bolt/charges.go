package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// maxExpired bounds the charges that a transaction takes off.
const maxExpired = 1 << 14

// hold counts the charges, all or none. The refusal is an *rules.OverLimitError
// or a *rules.SlotError.
func (t *tables) hold(charges []rules.Charge) (id rules.HoldID, refusal, err error) {
	expiries := make([]int64, len(charges))
	for i := range charges {
		expiries[i] = charges[i].Expiry(t.now)
	}
	id = t.state.hold + 1
	if refusal, err = t.place(id, charges, expiries, rules.MaxInSlot); refusal != nil || err != nil {
		return 0, refusal, err
	}
	t.state.now = t.now
	return id, nil, nil
}

// place counts the charges of a new hold. A slot may then have as many as inSlot.
func (t *tables) place(id rules.HoldID, charges []rules.Charge, expiries []int64, inSlot int) (refusal, err error) {
	counters := make(map[string]counter, len(charges))
	slots := make(map[slotName]occupancy)
	for i := range charges {
		if refusal, err = t.count(&charges[i], counters, slots, inSlot); refusal != nil || err != nil {
			return refusal, err
		}
	}

	t.state.hold = max(t.state.hold, id)
	for i := range charges {
		c := charge{amount: charges[i].Amount, counter: charges[i].Counter, slot: charges[i].Slot}
		key := chargeKey{expires: expiries[i], hold: id, index: uint16(i)}
		if err := t.put(bucketQueue, key.encode(), c.encode()); err != nil {
			return nil, err
		}
		if c.slot == "" {
			continue
		}
		if err := t.put(bucketSlots, slotKey(c, id, key.index), binary.BigEndian.AppendUint64(nil, uint64(key.expires))); err != nil {
			return nil, err
		}
	}
	if err := t.put(bucketHolds, holdKey(id), encodeHold(expiries)); err != nil {
		return nil, err
	}
	return nil, t.setCounters(counters)
}

// slotName is a slot of a counter.
type slotName struct{ counter, slot string }

// count adds a charge to the counters and slots that a hold has touched so far.
func (t *tables) count(wanted *rules.Charge, counters map[string]counter, slots map[slotName]occupancy, inSlot int) (refusal, err error) {
	c, ok := counters[wanted.Counter]
	if !ok {
		if c, err = t.counter(wanted.Counter); err != nil {
			return nil, err
		}
	}
	raise := wanted.Amount
	if wanted.Slot != "" {
		name := slotName{wanted.Counter, wanted.Slot}
		slot, ok := slots[name]
		if !ok {
			if slot, err = t.occupied(wanted.Counter, wanted.Slot); err != nil {
				return nil, err
			}
		}
		if slot.charges >= inSlot {
			return &rules.SlotError{Charge: *wanted}, nil
		}
		if slot.charges++; raise.Gt(&slot.largest) {
			raise.Sub(&raise, &slot.largest)
			slot.largest = wanted.Amount
		} else {
			raise.Clear()
		}
		slots[name] = slot
	}
	used := c.total
	if _, overflow := c.total.AddOverflow(&used, &raise); !raise.IsZero() && (overflow || c.total.Gt(&wanted.Cap)) {
		return &rules.OverLimitError{Charge: *wanted, Used: used, Raise: raise}, nil
	}
	c.charges++
	counters[wanted.Counter] = c
	return nil, nil
}

// commit makes a hold one that can't be released. Its charges stay.
func (t *tables) commit(id rules.HoldID) error { return t.remove(bucketHolds, holdKey(id)) }

// release takes off what is left of a hold.
func (t *tables) release(id rules.HoldID) error {
	record, err := t.get(bucketHolds, holdKey(id))
	if err != nil || record == nil {
		return err // or its windows have passed
	}
	expiries, err := decodeHold(record)
	if err != nil {
		return err
	}
	var keys [][]byte
	for i, expires := range expiries {
		key := chargeKey{expires: expires, hold: id, index: uint16(i)}.encode()
		record, err := t.get(bucketQueue, key)
		if err != nil {
			return err
		}
		if record != nil {
			keys = append(keys, key)
		}
	}
	if err := t.takeOff(keys); err != nil {
		return err
	}
	return t.remove(bucketHolds, holdKey(id))
}

// expire takes off charges whose window has passed, up to a number; more says
// that there may be others. They stand at the head of the queue: the work does
// not depend on how many are behind them.
func (t *tables) expire(limit int) (more bool, err error) {
	bucket, err := t.bucket(bucketQueue)
	if err != nil {
		return false, err
	}
	var keys [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); len(key) == chargeKeySize && len(keys) < limit; key, _ = cursor.Next() {
		if int64(binary.BigEndian.Uint64(key)) > t.now {
			break
		}
		keys = append(keys, slices.Clone(key))
	}
	if err := t.takeOff(keys); err != nil {
		return false, err
	}
	for _, key := range keys {
		if err := t.lapse(key); err != nil {
			return false, err
		}
	}
	if len(keys) > 0 {
		t.state.now = t.now
	}
	return len(keys) == limit, nil
}

// lapse removes the hold of a charge that expired, if it was the last.
func (t *tables) lapse(key []byte) error {
	k, err := decodeChargeKey(key)
	if err != nil {
		return err
	}
	record, err := t.get(bucketHolds, holdKey(k.hold))
	if err != nil || record == nil {
		return err
	}
	expiries, err := decodeHold(record)
	if err != nil || slices.Max(expiries) > t.now {
		return err
	}
	t.lapsed = append(t.lapsed, k.hold)
	return t.remove(bucketHolds, holdKey(k.hold))
}

// takeOff removes charges from the queue, their slots and their counters.
func (t *tables) takeOff(keys [][]byte) error {
	counters := make(map[string]counter)
	for _, key := range keys {
		record, err := t.get(bucketQueue, key)
		if err != nil {
			return err
		}
		charge, err := decodeCharge(record)
		if err != nil {
			return err
		}
		c, ok := counters[charge.counter]
		if !ok {
			if c, err = t.counter(charge.counter); err != nil {
				return err
			}
		}
		less := charge.amount
		if charge.slot != "" {
			k, err := decodeChargeKey(key)
			if err != nil {
				return err
			}
			if less, err = t.takeFromSlot(charge, k); err != nil {
				return err
			}
		}
		if c.charges == 0 || c.total.Lt(&less) {
			return fmt.Errorf("%w: the counter %q is less than its charges", ErrCorrupt, charge.counter)
		}
		c.total.Sub(&c.total, &less)
		c.charges--
		counters[charge.counter] = c
		if err := t.remove(bucketQueue, key); err != nil {
			return err
		}
	}
	return t.setCounters(counters)
}

// counter returns a counter; the zero one if nothing counts against it.
func (t *tables) counter(name string) (counter, error) {
	record, err := t.get(bucketCounters, []byte(name))
	if err != nil || record == nil {
		return counter{}, err
	}
	return decodeCounter(record)
}

func (t *tables) setCounters(counters map[string]counter) error {
	for name, c := range counters {
		if c.charges == 0 {
			if c.total != (uint256.Int{}) {
				return fmt.Errorf("%w: the counter %q is more than its charges", ErrCorrupt, name)
			}
			if err := t.remove(bucketCounters, []byte(name)); err != nil {
				return err
			}
			continue
		}
		if err := t.put(bucketCounters, []byte(name), c.encode()); err != nil {
			return err
		}
	}
	return nil
}
