package bolt

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// TestCountersThatDisagree has a counter or a slot not be what its charges are, in a file
// that is sound otherwise. Nothing is taken off or counted then: what is less would not
// be less by what it should.
func TestCountersThatDisagree(t *testing.T) {
	five := func(slot string) rules.Charge {
		return rules.Charge{Counter: "a", Slot: slot, Amount: *uint256.NewInt(5), Cap: *uint256.NewInt(100), Window: time.Hour}
	}
	counted := func(total, charges uint64) func(*tables) error {
		return func(t *tables) error {
			return t.put(bucketCounters, []byte("a"), counter{total: *uint256.NewInt(total), charges: charges}.encode())
		}
	}
	for name, tt := range map[string]struct {
		held   []rules.Charge
		change func(*tables) error
		asked  func(t *testing.T, s *Store, id rules.HoldID) error
	}{
		"less":    {[]rules.Charge{five("")}, counted(4, 2), release},
		"more":    {[]rules.Charge{five("")}, counted(6, 1), release},
		"too few": {[]rules.Charge{five(""), five("")}, counted(10, 1), release},
		"another time": {[]rules.Charge{five("s")}, func(t *tables) error {
			key := slotKey(charge{counter: "a", slot: "s", amount: *uint256.NewInt(5)}, 1, 0)
			return t.put(bucketSlots, key, binary.BigEndian.AppendUint64(nil, 1))
		}, release},
		"a longer key": {[]rules.Charge{five("s")}, func(t *tables) error {
			return t.put(bucketSlots, append(slotPrefix("a", "s"), 1), binary.BigEndian.AppendUint64(nil, 1))
		}, func(t *testing.T, s *Store, _ rules.HoldID) error {
			_, err := s.Hold(t.Context(), []rules.Charge{five("s")})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := Create(path); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			id, err := s.Hold(t.Context(), tt.held)
			if err == nil {
				err = s.writer.do(t.Context(), tt.change)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.asked(t, s, id); !errors.Is(err, ErrCorrupt) {
				t.Errorf("it was not found: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func release(t *testing.T, s *Store, id rules.HoldID) error {
	t.Helper()
	return s.Release(t.Context(), id)
}

// TestLapsedAreKnown: a hold whose windows have passed is among those of which only some are
// remembered, once its charges are taken off.
func TestLapsedAreKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := Open(t.Context(), path, Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	hold := func() rules.HoldID {
		id, err := s.Hold(t.Context(), []rules.Charge{{Counter: "a", Window: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := hold()
	now = now.Add(time.Hour)
	hold()
	if lapsed, err := s.ledger.take(first); !lapsed || err != nil {
		t.Errorf("its windows have passed: %v, %v", lapsed, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFailedAndWritten: a transaction that failed and is in the file all the same breaks the
// store up, for what was refused stands; one that is not there does not.
func TestFailedAndWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	last, fails := int(s.writer.identity.last.Load()), errors.New("the disk does not answer")
	if s.writer.examine(last+1, fails); s.writer.health() != nil {
		t.Errorf("it is not there: %v", s.writer.health())
	}
	if s.writer.examine(last, fails); !errors.Is(s.writer.health(), ErrBroken) {
		t.Errorf("it is there: %v", s.writer.health())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	err = s.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")})
	if waiting := s.records.waiting.Load(); err == nil || waiting != 0 {
		t.Errorf("%d bytes wait for a store that is closed: %v", waiting, err)
	}
}
