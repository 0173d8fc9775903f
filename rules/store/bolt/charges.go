package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// maxExpired bounds the charges that a transaction takes off.
const maxExpired = 1 << 14

// hold counts the charges, all or none. The refusal is an *rules.OverLimitError.
func (t *tables) hold(charges []rules.Charge) (id rules.HoldID, refusal, err error) {
	counters := make(map[string]counter, len(charges))
	for _, charge := range charges {
		c, ok := counters[charge.Counter]
		if !ok {
			if c, err = t.counter(charge.Counter); err != nil {
				return 0, nil, err
			}
		}
		used := c.total
		if _, overflow := c.total.AddOverflow(&used, &charge.Amount); overflow || c.total.Gt(&charge.Cap) {
			return 0, &rules.OverLimitError{Charge: charge, Used: used, Raise: charge.Amount}, nil
		}
		c.charges++
		counters[charge.Counter] = c
	}

	t.state.hold++
	t.state.now = t.now
	id = t.state.hold
	expiries := make([]int64, len(charges))
	for i, charge := range charges {
		expiries[i] = expiry(t.now, charge.Window)
		key := chargeKey{expires: expiries[i], hold: id, index: uint16(i)}
		if err := t.put(bucketCharges, key.encode(), encodeCharge(&charge.Amount, charge.Counter)); err != nil {
			return 0, nil, err
		}
	}
	if err := t.put(bucketHolds, holdKey(id), encodeHold(expiries)); err != nil {
		return 0, nil, err
	}
	return id, nil, t.setCounters(counters)
}

// expiry is when a window has passed.
func expiry(now int64, window time.Duration) int64 {
	if int64(window) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(window)
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
		charge, err := t.get(bucketCharges, key)
		if err != nil {
			return err
		}
		if charge != nil {
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
	bucket, err := t.bucket(bucketCharges)
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
	charge, err := decodeChargeKey(key)
	if err != nil {
		return err
	}
	record, err := t.get(bucketHolds, holdKey(charge.hold))
	if err != nil || record == nil {
		return err
	}
	expiries, err := decodeHold(record)
	if err != nil || slices.Max(expiries) > t.now {
		return err
	}
	t.lapsed = append(t.lapsed, charge.hold)
	return t.remove(bucketHolds, holdKey(charge.hold))
}

// takeOff removes charges from the queue and from their counters.
func (t *tables) takeOff(keys [][]byte) error {
	counters := make(map[string]counter)
	for _, key := range keys {
		record, err := t.get(bucketCharges, key)
		if err != nil {
			return err
		}
		amount, name, err := decodeCharge(record)
		if err != nil {
			return err
		}
		c, ok := counters[name]
		if !ok {
			if c, err = t.counter(name); err != nil {
				return err
			}
		}
		if c.charges == 0 || c.total.Lt(&amount) {
			return fmt.Errorf("%w: the counter %q is less than its charges", ErrCorrupt, name)
		}
		c.total.Sub(&c.total, &amount)
		c.charges--
		counters[name] = c
		if err := t.remove(bucketCharges, key); err != nil {
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
