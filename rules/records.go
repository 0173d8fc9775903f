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
	MaxChangeBytes = 16 << 20 // of all keys and values, old and new, of one call
)

// Why records are not changed. With either, nothing was.
var (
	// ErrConflict is a change of a record that is not as was expected.
	ErrConflict = errors.New("a record was changed by another")

	// ErrRecordsFull is a change that would take the records of the store beyond
	// [MaxRecords] or [MaxRecordBytes]. What adds to neither is never refused so.
	ErrRecordsFull = errors.New("there is no room for more records")
)

// Change is one record's: from Old, which must be there as it is, to New. Nil is
// no record; an empty value is one. A New that is as Old only checks.
type Change struct {
	Key      string
	Old, New []byte
}

// Records are small values by their keys, for what kvclef must remember between
// requests, such as the transactions that are under way. They are apart from what
// rule files store. Keys begin with the name of what they are of, and a slash;
// people may see them, and values too, but for those of keys that begin with
// "sealed/". Implementations are safe for concurrent use, and other processes may
// share them.
//
// What is read is durable: a crash does not take it back.
type Records interface {
	// Record returns the value of a key, nil if there is none. The caller may keep
	// and change it.
	Record(ctx context.Context, key string) ([]byte, error)

	// EachRecord calls a function for the records whose keys have a prefix, in the
	// order of their keys, as they were at one time. An error of the function ends
	// it, and is returned. The function must not call the store, nor wait for what
	// does, and may keep what it is given.
	EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error

	// ChangeRecords makes all changes, or none; when it returns nil they are durable,
	// and seen by every call that follows. It keeps nothing that it is given. The
	// error is [ErrConflict] if an Old is not what is there, which concerns this call
	// alone, or [ErrRecordsFull].
	//
	// After another error, such as the end of ctx while it waits for the disk, the
	// changes were made or they were not. That is settled before any call that
	// follows is answered: Record tells, and what it tells does not change by itself.
	ChangeRecords(ctx context.Context, changes ...Change) error
}

// CheckChanges refuses changes that no store takes. Every store asks it first.
func CheckChanges(changes []Change) error {
	if len(changes) == 0 || len(changes) > MaxChanges {
		return fmt.Errorf("%d changes of records: there may be 1 to %d", len(changes), MaxChanges)
	}
	total := 0
	keys := make(map[string]bool, len(changes))
	for _, c := range changes {
		switch most := max(len(c.Old), len(c.New)); {
		case c.Key == "" || len(c.Key) > MaxRecordKey:
			return fmt.Errorf("%d bytes in the key of a record: there may be 1 to %d", len(c.Key), MaxRecordKey)
		case most > MaxRecordValue:
			return fmt.Errorf("%d bytes in the record %q: there may be %d", most, c.Key, MaxRecordValue)
		case keys[c.Key]:
			return fmt.Errorf("the record %q is changed twice at once", c.Key)
		}
		keys[c.Key] = true
		total += len(c.Key) + len(c.Old) + len(c.New)
	}
	if total > MaxChangeBytes {
		return fmt.Errorf("%d bytes in changes of records: there may be %d", total, MaxChangeBytes)
	}
	return nil
}
