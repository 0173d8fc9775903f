package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// FuzzRecords checks that what is read from a record is written the same, and
// that no record crashes what reads it.
func FuzzRecords(f *testing.F) {
	one := uint256.NewInt(1)
	f.Add(state{records: 1, sum: digest{2, 3}, hold: 4, now: 5, tx: 6}.encode())
	f.Add(counter{total: *one, charges: 1}.encode())
	f.Add(chargeKey{expires: 1, hold: 2, index: 3}.encode())
	f.Add(charge{amount: *one, counter: "counter", slot: "slot"}.encode())
	f.Add(slices.Concat(slotKey(charge{amount: *one, counter: "c", slot: "s"}, 1, 2), make([]byte, 8)))
	f.Add(encodeHold([]int64{1, 2}))
	f.Add(holdKey(1))
	f.Add([]byte(`{"format":"kvclef","version":2,"id":"00","created":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"sha256":"0x00","time":"2026-03-01T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		same := func(what string, written []byte) {
			if !bytes.Equal(written, data) {
				t.Errorf("%s %x is written as %x", what, data, written)
			}
		}
		if s, err := decodeState(data); err == nil && s.tx != 0 { // or it is of version 1
			same("state", s.encode())
		}
		if c, err := decodeCounter(data); err == nil {
			same("counter", c.encode())
		}
		if k, err := decodeChargeKey(data); err == nil {
			same("key", k.encode())
		}
		if c, err := decodeCharge(data); err == nil {
			same("charge", c.encode())
		}
		if c, err := decodeFirstCharge(data); err == nil {
			amount := c.amount.Bytes32()
			same("charge of version 1", append(amount[:], c.counter...))
		}
		if at := len(data) - 8; at > 0 {
			if c, k, err := decodeSlot(data[:at], data[at:]); err == nil {
				same("slot", binary.BigEndian.AppendUint64(slotKey(c, k.hold, k.index), uint64(k.expires)))
			}
		}
		if expiries, err := decodeHold(data); err == nil {
			same("hold", encodeHold(expiries))
		}
		if id, err := decodeHoldKey(data); err == nil {
			same("key", holdKey(id))
		}
		if format, err := decodeFormat(data); err == nil && (format.Format != formatName || format.Version > formatVersion) {
			t.Errorf("%q is taken for this format", data)
		}
		if attestation, err := decodeAttestation(data, rules.RuleFile); err == nil {
			if _, err := json.Marshal(attestation); err != nil {
				t.Errorf("the attestation %q is not written: %v", data, err)
			}
		}
	})
}

// FuzzFile reads files of which pages are changed. What verify accepts, bbolt
// must be able to open.
func FuzzFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.db")
	if err := Create(path); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(16), []byte{0xed})
	f.Add(uint32(3*4096), []byte{3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 255, 255})
	f.Add(uint32(4096), whole[:4096])
	f.Fuzz(func(t *testing.T, offset uint32, patch []byte) {
		data := bytes.Clone(whole)
		copy(data[int(offset)%len(data):], patch)
		path := filepath.Join(t.TempDir(), "fuzz.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(t.Context(), path, time.Unix(0, 0), true); err != nil {
			return
		}
		store, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatalf("it is sound, and does not open: %v", err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
