package bolt

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// maxReads bounds how often a file is read anew that changed meanwhile.
const maxReads = 100

// Summary is what a store holds.
type Summary = store.Summary

// RecordKind is what the records are whose keys begin with the same name.
type RecordKind = store.RecordKind

// Counter is what counts against the limits of a counter.
type Counter = store.Counter

// Hold is a hold that is not settled.
type Hold = store.Hold

// Inspect reads the store at a path, also while a process has it open, and
// changes nothing. Counters are as of now, or the latest time seen. With an error comes what could be
// read; [ErrCorrupt] tells the places that could not.
func Inspect(ctx context.Context, path string, now time.Time, values bool) (*Summary, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it is only read

	// Pages are not written over while the newest head leads to them, so that a
	// reading is sound if the head is still the newest, or all but.
	for range maxReads {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		s := newSurvey(now, values)
		found, readErr := verify(file, s.record)
		if last, _ := readHead(file); readErr != nil && last.txid != found.txid {
			continue // a head that can't be read has no number, both times
		}
		if readErr != nil {
			readErr = fmt.Errorf("%s: %w", path, readErr)
		}
		return s.summary(path, found), readErr
	}
	return nil, fmt.Errorf("%s: the store changes faster than it can be read: try again, or look at a backup", path)
}

// survey collects what a summary tells.
type survey struct {
	now      int64
	values   bool
	summed   Summary
	counters map[string][]owned
	open     map[rules.HoldID]bool
	kinds    map[string]size // of records
}

// owned is a charge with the hold it is of.
type owned struct {
	rules.Live
	id rules.HoldID
}

func newSurvey(now time.Time, values bool) *survey {
	s := &survey{now: now.UnixNano(), values: values, counters: make(map[string][]owned), open: make(map[rules.HoldID]bool), kinds: make(map[string]size)}
	s.summed.Counters, s.summed.Holds, s.summed.Records = []Counter{}, []Hold{}, []RecordKind{}
	if values {
		s.summed.Values, s.summed.RecordValues = make(map[string]string), make(map[string]string)
	}
	return s
}

func (s *survey) record(bucket string, key, value []byte) {
	switch bucket {
	case bucketStorage:
		if s.values {
			s.summed.Values[string(key)] = string(value)
		}
	case bucketRecords:
		kind, _, _ := strings.Cut(string(key), "/")
		s.kinds[kind] = s.kinds[kind].plus(recordCost(string(key), value))
		if s.values && !bytes.HasPrefix(key, []byte(store.Sealed)) {
			s.summed.RecordValues[string(key)] = string(value)
		}
	case bucketQueue:
		s.charge(key, value, decodeCharge)
	case bucketCharges:
		s.charge(key, value, decodeFirstCharge)
	case bucketHolds:
		id, err := decodeHoldKey(key)
		expiries, holdErr := decodeHold(value)
		if err == nil && holdErr == nil {
			last := time.Unix(0, slices.Max(expiries)).UTC()
			s.open[id] = true
			s.summed.Holds = append(s.summed.Holds, Hold{ID: id, Charges: len(expiries), Expires: last})
		}
	case bucketMeta:
		s.meta(string(key), value)
	}
}

func (s *survey) meta(key string, value []byte) {
	if key == keyLogHeads {
		s.summed.LogHeads, _ = decodeLogHeads(value) // that it is damaged was found already
		return
	}
	if key == keyRelied {
		if head, err := decodeRelied(value); err == nil {
			s.summed.Relied = &head
		}
		return
	}
	if key == keyForgotten {
		if head, err := decodeRelied(value); err == nil {
			s.summed.Forgotten = &head
		}
		return
	}
	kind, ok := attestedKind(key)
	if !ok {
		return
	}
	attestation, err := decodeAttestation(value, kind)
	switch {
	case err != nil:
	case kind == rules.PolicyFile:
		s.summed.PolicyAttestation = &attestation
	default:
		s.summed.Attestation = &attestation
	}
}

func (s *survey) charge(key, value []byte, decode func([]byte) (charge, error)) {
	k, err := decodeChargeKey(key)
	c, valueErr := decode(value)
	if err != nil || valueErr != nil {
		return
	}
	live := rules.Live{Slot: c.slot, Amount: c.amount, Expires: k.expires}
	s.counters[c.counter] = append(s.counters[c.counter], owned{live, k.hold})
}

// counter sums up what counts at a time.
func (s *survey) counter(name string, now int64) Counter {
	charges := s.counters[name]
	live := make([]rules.Live, 0, len(charges))
	for _, charge := range charges {
		if charge.Expires > now {
			charge.Open = s.open[charge.id]
			live = append(live, charge.Live)
		}
	}
	usage := rules.Tally(live, now)
	return Counter{Name: name, Used: usage.Used, Held: usage.Held, Next: usage.Next, Charges: len(live)}
}

func (s *survey) summary(path string, found contents) *Summary {
	s.summed.Path = path
	s.summed.Version, s.summed.ID, s.summed.Created = found.format.Version, found.format.ID, found.format.Created
	s.summed.Keys, s.summed.Bytes = found.keys, found.bytes
	if found.format.Version < formatVersion && s.summed.LogHeads == nil {
		s.summed.LogHeads = []LogHead{} // as it is about to be brought to this version
	}
	if found.state.now > 0 {
		s.summed.Latest = time.Unix(0, found.state.now).UTC()
	}
	for _, name := range slices.Sorted(maps.Keys(s.counters)) {
		if c := s.counter(name, max(s.now, found.state.now)); c.Charges > 0 {
			s.summed.Counters = append(s.summed.Counters, c)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		s.summed.Records = append(s.summed.Records, RecordKind{Kind: kind, Records: s.kinds[kind].keys, Bytes: int64(s.kinds[kind].bytes)})
	}
	return &s.summed
}
