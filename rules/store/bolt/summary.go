package bolt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// maxReads bounds how often a file is read anew that changed meanwhile.
const maxReads = 100

// Summary is what a store holds.
type Summary struct {
	Path        string             `json:"path"`
	Version     int                `json:"version"`
	ID          string             `json:"id"`
	Created     time.Time          `json:"created"`
	Latest      time.Time          `json:"latest"`                // latest time seen; the zero time if none
	Attestation *rules.Attestation `json:"attestation,omitempty"` // of the rule file

	PolicyAttestation *rules.Attestation `json:"policy_attestation,omitempty"`

	Keys     int               `json:"keys"`             // of the storage
	Bytes    int64             `json:"bytes"`            // of its keys and values
	Values   map[string]string `json:"values,omitempty"` // if asked for
	Counters []Counter         `json:"counters"`         // by name
	Holds    []Hold            `json:"holds"`            // not settled, by id
}

// Counter is what counts against the limits of a counter.
type Counter struct {
	Name    string      `json:"name"`
	Used    uint256.Int `json:"used"`    // held and spent within the windows
	Charges int         `json:"charges"` // that it is the sum of
}

// Hold is a hold that is not settled.
type Hold struct {
	ID      rules.HoldID `json:"id"`
	Charges int          `json:"charges"`
	Expires time.Time    `json:"expires"` // when the last of them no longer counts
}

// Inspect reads the store at a path, also while a process has it open, and
// changes nothing. Counters are as of now. With an error comes what could be
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
	counters map[string]*Counter
}

func newSurvey(now time.Time, values bool) *survey {
	s := &survey{now: now.UnixNano(), values: values, counters: make(map[string]*Counter)}
	s.summed.Counters, s.summed.Holds = []Counter{}, []Hold{}
	if values {
		s.summed.Values = make(map[string]string)
	}
	return s
}

func (s *survey) record(bucket string, key, value []byte) {
	switch bucket {
	case bucketStorage:
		if s.values {
			s.summed.Values[string(key)] = string(value)
		}
	case bucketCharges:
		s.charge(key, value)
	case bucketHolds:
		id, err := decodeHoldKey(key)
		expiries, holdErr := decodeHold(value)
		if err == nil && holdErr == nil {
			last := time.Unix(0, slices.Max(expiries)).UTC()
			s.summed.Holds = append(s.summed.Holds, Hold{ID: id, Charges: len(expiries), Expires: last})
		}
	case bucketMeta:
		s.attestation(string(key), value)
	}
}

func (s *survey) attestation(key string, value []byte) {
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

func (s *survey) charge(key, value []byte) {
	charge, err := decodeChargeKey(key)
	amount, name, valueErr := decodeCharge(value)
	if err != nil || valueErr != nil || charge.expires <= s.now {
		return
	}
	c := s.counters[name]
	if c == nil {
		c = &Counter{Name: name}
		s.counters[name] = c
	}
	c.Used.Add(&c.Used, &amount)
	c.Charges++
}

func (s *survey) summary(path string, found contents) *Summary {
	s.summed.Path = path
	s.summed.Version, s.summed.ID, s.summed.Created = found.format.Version, found.format.ID, found.format.Created
	s.summed.Keys, s.summed.Bytes = found.keys, found.bytes
	if found.state.now > 0 {
		s.summed.Latest = time.Unix(0, found.state.now).UTC()
	}
	for _, c := range s.counters {
		s.summed.Counters = append(s.summed.Counters, *c)
	}
	slices.SortFunc(s.summed.Counters, func(a, b Counter) int { return cmp.Compare(a.Name, b.Name) })
	return &s.summed
}
