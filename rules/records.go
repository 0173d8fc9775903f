package rules

import (
	"context"
	"errors"
	"fmt"
)

// Bounds of records, which every store keeps.
const (
	MaxRecordKey   = 256      // bytes
	MaxRecordValue = 2 << 20  // bytes: a transaction with the blobs that it brings
	MaxRecords     = 1 << 20  // of a store
	MaxRecordBytes = 1 << 30  // of all keys and values of a store
	MaxChanges     = 256      // of one call
	MaxChangeBytes = 16 << 20 // of all keys and values of one call
)

// ErrConflict is a change of a record that is not as was expected.
var ErrConflict = errors.New("a record was changed by another")

// Change is one record's: from Old, which must be there as it is, to New. Nil is
// no record; an empty value is one.
type Change struct {
	Key      string
	Old, New []byte
}

// Records are small values by their keys, for what kvclef must remember between
// requests, such as the transactions that are under way. They are apart from what
// rule files store. Keys begin with the name of what they are of, and a slash.
// Implementations are safe for concurrent use, and other processes may share them.
type Records interface {
	// Record returns the value of a key, nil if there is none. The caller may keep
	// and change it.
	Record(ctx context.Context, key string) ([]byte, error)

	// EachRecord calls a function for the records whose keys have a prefix, in the
	// order of their keys, as they were at one time. An error of the function ends
	// it, and is returned. The function must not call the store, and may keep what
	// it is given.
	EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error

	// ChangeRecords makes all changes, or none; when it returns nil they are durable,
	// and seen by every call that follows. The error is [ErrConflict] if an Old is
	// not what is there. After another error it is not known whether they were made.
	ChangeRecords(ctx context.Context, changes ...Change) error
}

// CheckChanges refuses changes that no store takes. Every store asks it first.
func CheckChanges(changes []Change) error {
	if len(changes) == 0 || len(changes) > MaxChanges {
		return tooMany("changes", len(changes), MaxChanges)
	}
	total := 0
	keys := make(map[string]bool, len(changes))
	for _, c := range changes {
		switch {
		case c.Key == "" || len(c.Key) > MaxRecordKey:
			return tooMany("bytes in the key of a record", len(c.Key), MaxRecordKey)
		case len(c.New) > MaxRecordValue:
			return tooMany("bytes in a record", len(c.New), MaxRecordValue)
		case keys[c.Key]:
			return errors.New("a record is changed twice at once")
		}
		keys[c.Key] = true
		if total += len(c.Key) + len(c.New); total > MaxChangeBytes {
			return tooMany("bytes in changes of records", total, MaxChangeBytes)
		}
	}
	return nil
}

func tooMany(what string, got, most int) error {
	return fmt.Errorf("%d %s: there may be 1 to %d", got, what, most)
}
