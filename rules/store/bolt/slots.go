package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

const slotTail = 32 + 8 + 2 // amount, hold, index

// slotPrefix is how the keys of a slot begin.
func slotPrefix(counter, slot string) []byte {
	data := make([]byte, 0, 2+len(counter)+2+len(slot)+slotTail)
	return appendText(appendText(data, counter), slot)
}

// slotKey says where a charge stands in its slot.
func slotKey(c charge, hold rules.HoldID, index uint16) []byte {
	amount := c.amount.Bytes32()
	data := append(slotPrefix(c.counter, c.slot), amount[:]...)
	data = binary.BigEndian.AppendUint64(data, uint64(hold))
	return binary.BigEndian.AppendUint16(data, index)
}

// decodeSlot reads a charge as it stands in its slot.
func decodeSlot(key, value []byte) (c charge, k chargeKey, err error) {
	malformed := fmt.Errorf("%w: a charge in a slot", errRecord)
	counter, rest, err := cutText(key, rules.MaxCounter)
	if err != nil || counter == "" {
		return c, k, malformed
	}
	slot, rest, err := cutText(rest, rules.MaxSlot)
	if err != nil || slot == "" || len(rest) != slotTail || len(value) != nanos {
		return c, k, malformed
	}
	c = charge{counter: counter, slot: slot}
	c.amount.SetBytes32(rest)
	k, err = decodeChargeKey(slices.Concat(value, rest[32:]))
	return c, k, err
}

// occupancy is what a slot has.
type occupancy struct {
	charges int
	largest uint256.Int
}

// occupied looks into a slot. It has few charges, however many the counter has.
func (t *tables) occupied(counter, slot string) (occupancy, error) {
	var o occupancy
	bucket, err := t.bucket(bucketSlots)
	if err != nil {
		return o, err
	}
	prefix := slotPrefix(counter, slot)
	cursor := bucket.Cursor()
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		if len(key) != len(prefix)+slotTail {
			return o, fmt.Errorf("%w: a charge in a slot", ErrCorrupt)
		}
		o.charges++
		o.largest.SetBytes32(key[len(prefix):]) // they are in order
	}
	return o, nil
}

// takeFromSlot removes a charge from its slot, and returns by how much less the
// slot counts.
func (t *tables) takeFromSlot(c charge, k chargeKey) (uint256.Int, error) {
	key := slotKey(c, k.hold, k.index)
	record, err := t.get(bucketSlots, key)
	if err != nil {
		return uint256.Int{}, err
	}
	if len(record) != nanos || int64(binary.BigEndian.Uint64(record)) != k.expires {
		return uint256.Int{}, fmt.Errorf("%w: a charge of the counter %q is not in its slot", ErrCorrupt, c.counter)
	}
	if err := t.remove(bucketSlots, key); err != nil {
		return uint256.Int{}, err
	}
	left, err := t.occupied(c.counter, c.slot)
	if err != nil || !c.amount.Gt(&left.largest) {
		return uint256.Int{}, err
	}
	return *c.amount.Sub(&c.amount, &left.largest), nil
}
