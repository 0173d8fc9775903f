package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// A store of version 1 has no slots, and its charges in bucketCharges; one of
// version 2 has no records; one of version 3 never relied on an audit log.
const (
	formatName    = "kvclef"
	formatVersion = 4
	secondVersion = 2
	firstVersion  = 1
)

// The buckets of the file. Integers are big-endian, so that keys sort by value.
const (
	bucketMeta     = "kvclef"   // format, state, attestation, heads of audit logs, the log relied on
	bucketStorage  = "storage"  // key → value, as the rule file put it
	bucketCounters = "counters" // name → total and number of its charges
	bucketQueue    = "queue"    // expiry, hold, index → amount, counter and slot: in order of expiry
	bucketSlots    = "slots"    // counter, slot, amount, hold, index → expiry: in order of amount; only for charges with a slot
	bucketHolds    = "holds"    // hold → expiry of each of its charges; only while it is not settled
	bucketRecords  = "records"  // key → value, as ChangeRecords left it
	bucketCharges  = "charges"  // version 1: expiry, hold, index → amount and counter
)

// buckets are those of a version, sorted.
func buckets(version int) []string {
	switch version {
	case firstVersion:
		return []string{bucketCharges, bucketCounters, bucketHolds, bucketMeta, bucketStorage}
	case secondVersion:
		return []string{bucketCounters, bucketHolds, bucketMeta, bucketQueue, bucketSlots, bucketStorage}
	}
	return []string{bucketCounters, bucketHolds, bucketMeta, bucketQueue, bucketRecords, bucketSlots, bucketStorage}
}

// The keys of bucketMeta.
const (
	keyFormat      = "format"
	keyState       = "state"
	keyAttestation = "attestation"
	keyLogHeads    = "log-heads"
	keyRelied      = "relied-log"    // only while a process has the file, or after it crashed
	keyForgotten   = "forgotten-log" // only until an audit log tells of it
)

const (
	nanos         = 8
	chargeKeySize = nanos + 8 + 2
	counterSize   = 32 + 8
	stateBody     = firstBody + 8
	firstBody     = 8 + 16 + 8 + nanos // of version 1
	checkSize     = 8
)

var errRecord = errors.New("a record is malformed")

// format is the first record of a store.
type format struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	ID      string    `json:"id"` // random, 32 hexadecimal digits
	Created time.Time `json:"created"`
}

// decodeFormat reads the name and the version first: the rest may look
// different in another version.
func decodeFormat(data []byte) (format, error) {
	var f format
	var name struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &name); err != nil || name.Format != formatName || name.Version < 1 {
		return f, ErrForeign
	}
	if name.Version > formatVersion {
		return f, fmt.Errorf("%w: it has version %d and this kvclef knows up to %d: use a newer kvclef, or a copy of the state from before the upgrade, which forgets what was spent since", ErrNewer, name.Version, formatVersion)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("%w: format: %w", errRecord, err)
	}
	return f, nil
}

// state is what changes with every transaction.
type state struct {
	records uint64 // all in the file but this one
	sum     digest // of them
	hold    rules.HoldID
	now     int64 // latest time seen, in nanoseconds of Unix time

	// tx is the transaction that wrote it, 0 in version 1. The head of the file says
	// so too: a state that another transaction left is of pages that were lost.
	tx uint64
}

func (s state) encode() []byte {
	data := make([]byte, 0, stateBody+checkSize)
	data = binary.BigEndian.AppendUint64(data, s.records)
	data = binary.BigEndian.AppendUint64(data, s.sum[0])
	data = binary.BigEndian.AppendUint64(data, s.sum[1])
	data = binary.BigEndian.AppendUint64(data, uint64(s.hold))
	data = binary.BigEndian.AppendUint64(data, uint64(s.now))
	data = binary.BigEndian.AppendUint64(data, s.tx)
	check := sha256.Sum256(data)
	return append(data, check[:checkSize]...)
}

func decodeState(data []byte) (state, error) {
	body := len(data) - checkSize
	if body != stateBody && body != firstBody {
		return state{}, fmt.Errorf("%w: the state has %d bytes, not %d", errRecord, len(data), stateBody+checkSize)
	}
	check := sha256.Sum256(data[:body])
	if [checkSize]byte(check[:checkSize]) != [checkSize]byte(data[body:]) {
		return state{}, fmt.Errorf("%w: the state does not match its checksum", errRecord)
	}
	s := state{
		records: binary.BigEndian.Uint64(data),
		sum:     digest{binary.BigEndian.Uint64(data[8:]), binary.BigEndian.Uint64(data[16:])},
		hold:    rules.HoldID(binary.BigEndian.Uint64(data[24:])),
		now:     int64(binary.BigEndian.Uint64(data[32:])),
	}
	if s.now < 0 {
		return state{}, fmt.Errorf("%w: the latest time is before 1970", errRecord)
	}
	if body == stateBody {
		if s.tx = binary.BigEndian.Uint64(data[40:]); s.tx == 0 {
			return state{}, fmt.Errorf("%w: the state is of no transaction", errRecord)
		}
	}
	return s, nil
}

// digest is a sum over records, each of which adds to it what no other does:
// it is the same in whatever order they were written, and a record that is
// changed, lost or added shows. It finds damage, not forgery: whoever may write
// the file may write the digest.
type digest [2]uint64

func recordDigest(bucket string, key, value []byte) digest {
	hash := sha256.New()
	prefix := binary.BigEndian.AppendUint32([]byte(bucket), uint32(len(key)))
	hash.Write(prefix)
	hash.Write(key)
	hash.Write(value)
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])
	return digest{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

func (d digest) plus(other digest) digest  { return digest{d[0] + other[0], d[1] + other[1]} }
func (d digest) minus(other digest) digest { return digest{d[0] - other[0], d[1] - other[1]} }

// counter is the total of a counter's charges, with those that have expired
// and were not taken off yet.
type counter struct {
	total   uint256.Int
	charges uint64
}

func (c counter) encode() []byte {
	total := c.total.Bytes32()
	return binary.BigEndian.AppendUint64(total[:], c.charges)
}

func decodeCounter(data []byte) (counter, error) {
	if len(data) != counterSize {
		return counter{}, fmt.Errorf("%w: a counter has %d bytes, not %d", errRecord, len(data), counterSize)
	}
	var c counter
	c.total.SetBytes32(data)
	c.charges = binary.BigEndian.Uint64(data[32:])
	if c.charges == 0 {
		return counter{}, fmt.Errorf("%w: a counter without charges", errRecord)
	}
	return c, nil
}

// chargeKey says where a charge stands in the queue.
type chargeKey struct {
	expires int64 // the first nanosecond of Unix time at which it no longer counts
	hold    rules.HoldID
	index   uint16 // in the hold
}

func (k chargeKey) encode() []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, chargeKeySize), uint64(k.expires))
	data = binary.BigEndian.AppendUint64(data, uint64(k.hold))
	return binary.BigEndian.AppendUint16(data, k.index)
}

func decodeChargeKey(data []byte) (chargeKey, error) {
	if len(data) != chargeKeySize {
		return chargeKey{}, fmt.Errorf("%w: the key of a charge has %d bytes, not %d", errRecord, len(data), chargeKeySize)
	}
	k := chargeKey{
		expires: int64(binary.BigEndian.Uint64(data)),
		hold:    rules.HoldID(binary.BigEndian.Uint64(data[8:])),
		index:   binary.BigEndian.Uint16(data[16:]),
	}
	if k.expires < 0 || k.hold == 0 || k.index >= rules.MaxCharges {
		return chargeKey{}, fmt.Errorf("%w: the key of a charge", errRecord)
	}
	return k, nil
}

// charge is what stands in the queue.
type charge struct {
	amount  uint256.Int
	counter string
	slot    string
}

func (c charge) encode() []byte {
	amount := c.amount.Bytes32()
	data := make([]byte, 0, len(amount)+2+len(c.counter)+len(c.slot))
	data = append(data, amount[:]...)
	data = appendText(data, c.counter)
	return append(data, c.slot...)
}

func decodeCharge(data []byte) (charge, error) {
	if len(data) < 32 {
		return charge{}, fmt.Errorf("%w: a charge has %d bytes", errRecord, len(data))
	}
	counter, slot, err := cutText(data[32:], rules.MaxCounter)
	if err != nil || counter == "" || len(slot) > rules.MaxSlot {
		return charge{}, fmt.Errorf("%w: a charge of %d bytes", errRecord, len(data))
	}
	c := charge{counter: counter, slot: string(slot)}
	c.amount.SetBytes32(data)
	return c, nil
}

// decodeFirstCharge reads one of version 1.
func decodeFirstCharge(data []byte) (charge, error) {
	if len(data) <= 32 || len(data) > 32+rules.MaxCounter {
		return charge{}, fmt.Errorf("%w: a charge has %d bytes", errRecord, len(data))
	}
	c := charge{counter: string(data[32:])}
	c.amount.SetBytes32(data)
	return c, nil
}

// appendText appends a text with its length.
func appendText(data []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(data, uint16(len(text))), text...)
}

// cutText reads what appendText wrote, up to a number of bytes.
func cutText(data []byte, most int) (text string, rest []byte, err error) {
	if len(data) < 2 {
		return "", nil, errRecord
	}
	n := int(binary.BigEndian.Uint16(data))
	if data = data[2:]; n > most || n > len(data) {
		return "", nil, errRecord
	}
	return string(data[:n]), data[n:], nil
}

func holdKey(id rules.HoldID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func decodeHoldKey(data []byte) (rules.HoldID, error) {
	if len(data) != 8 {
		return 0, fmt.Errorf("%w: the key of a hold has %d bytes, not 8", errRecord, len(data))
	}
	id := rules.HoldID(binary.BigEndian.Uint64(data))
	if id == 0 {
		return 0, fmt.Errorf("%w: a hold without an id", errRecord)
	}
	return id, nil
}

func encodeHold(expiries []int64) []byte {
	data := make([]byte, 0, len(expiries)*nanos)
	for _, expires := range expiries {
		data = binary.BigEndian.AppendUint64(data, uint64(expires))
	}
	return data
}

func decodeHold(data []byte) ([]int64, error) {
	if len(data) == 0 || len(data)%nanos != 0 || len(data) > rules.MaxCharges*nanos {
		return nil, fmt.Errorf("%w: a hold has %d bytes", errRecord, len(data))
	}
	expiries := make([]int64, len(data)/nanos)
	for i := range expiries {
		if expiries[i] = int64(binary.BigEndian.Uint64(data[i*nanos:])); expiries[i] < 0 {
			return nil, fmt.Errorf("%w: a hold that expired before 1970", errRecord)
		}
	}
	return expiries, nil
}
