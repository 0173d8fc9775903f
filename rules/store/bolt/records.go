package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// maxWaiting bounds the changes of records that wait for the disk, in bytes.
const maxWaiting = 64 << 20

// records are what their changes share.
type records struct {
	waiting atomic.Int64 // bytes
}

// Record returns the value of a key, nil if there is none. It waits for a
// flush that is under way only if the file shows what is being flushed.
func (s *Store) Record(ctx context.Context, key string) (value []byte, err error) {
	tx, err := s.snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // of a reading
	err = guard(func() error {
		bucket, err := bucketOf(tx, bucketRecords)
		if err == nil {
			value = bytes.Clone(bucket.Get([]byte(key)))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	return value, nil
}

// EachRecord calls a function for the records whose keys have a prefix, in the
// order of their keys. The file keeps all that is changed meanwhile twice, so
// that it should not take long.
func (s *Store) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	tx, err := s.snapshot(ctx)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // of a reading
	next := recordsFrom(tx, prefix)
	for {
		key, value, err := next()
		if err == nil && key != "" {
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
		if key == "" {
			return nil
		}
		if err := do(key, value); err != nil {
			return err
		}
	}
}

// recordsFrom returns what reads one record after the other. The key is empty
// after the last.
func recordsFrom(tx *bbolt.Tx, prefix string) (next func() (key string, value []byte, err error)) {
	var cursor *bbolt.Cursor
	return func() (key string, value []byte, err error) {
		err = guard(func() error {
			var k, v []byte
			if cursor != nil {
				k, v = cursor.Next()
			} else {
				bucket, err := bucketOf(tx, bucketRecords)
				if err != nil {
					return err
				}
				cursor = bucket.Cursor()
				k, v = cursor.Seek([]byte(prefix))
			}
			if bytes.HasPrefix(k, []byte(prefix)) {
				key, value = string(k), bytes.Clone(v)
			}
			return nil
		})
		return key, value, err
	}
}

func (s *Store) snapshot(ctx context.Context) (*bbolt.Tx, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return s.writer.snapshot(ctx)
}

// ChangeRecords makes all changes, or none. It shares its flush with whatever
// else is written. The error is as for [rules.Records], or a *[BusyError] if too
// much is waiting, and nothing was changed.
func (s *Store) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if err := rules.CheckChanges(changes); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	copied, weight := copyChanges(changes)
	if s.records.waiting.Add(weight) > maxWaiting {
		s.records.waiting.Add(-weight)
		return &BusyError{Queue: "changes of records"}
	}

	// All of it belongs to the writer until it has settled the change.
	var refusal error
	done := make(chan error, 1)
	c := &change{
		apply: func(t *tables) (err error) {
			refusal, err = t.changeRecords(copied)
			return err
		},
		settle: func(err error) {
			if err == nil {
				err = refusal
			}
			s.records.waiting.Add(-weight)
			done <- err
		},
	}
	if err := s.writer.add(c, true); err != nil {
		s.records.waiting.Add(-weight)
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if c.owner.CompareAndSwap(queued, withdrawn) {
		copied = nil // the change stays in the queue for a while
		s.records.waiting.Add(-weight)
		return fmt.Errorf("waiting to change records: %w", context.Cause(ctx))
	}
	return s.writer.abandon(ctx, done)
}

// copyChanges makes copies that the caller can't change when it has gone.
func copyChanges(changes []rules.Change) (copied []rules.Change, bytesOf int64) {
	copied = make([]rules.Change, len(changes))
	for i, c := range changes {
		copied[i] = rules.Change{Key: strings.Clone(c.Key), Old: bytes.Clone(c.Old), New: bytes.Clone(c.New)}
		bytesOf += int64(len(c.Key) + len(c.Old) + len(c.New))
	}
	return copied, bytesOf
}

// changeRecords makes all changes, or none and says why.
func (t *tables) changeRecords(changes []rules.Change) (refusal, err error) {
	after := t.kept
	for _, c := range changes {
		old, err := t.get(bucketRecords, []byte(c.Key))
		if err != nil {
			return nil, err
		}
		if !sameRecord(old, c.Old) {
			return fmt.Errorf("%w: %q", rules.ErrConflict, c.Key), nil
		}
		after = after.plus(recordCost(c.Key, c.New)).plus(recordCost(c.Key, old).negative())
	}
	if after.keys > max(t.most.keys, t.kept.keys) || after.bytes > max(t.most.bytes, t.kept.bytes) {
		return fmt.Errorf("%w: it would be %d with %d bytes, of at most %d with %d",
			rules.ErrRecordsFull, after.keys, after.bytes, t.most.keys, t.most.bytes), nil
	}
	for _, c := range changes {
		switch {
		case sameRecord(c.Old, c.New):
		case c.New == nil:
			err = t.remove(bucketRecords, []byte(c.Key))
		default:
			err = t.put(bucketRecords, []byte(c.Key), c.New)
		}
		if err != nil {
			return nil, err
		}
	}
	t.kept = after
	return nil, nil
}

// sameRecord tells none from one that is empty.
func sameRecord(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// recordCost is what a record takes.
func recordCost(key string, value []byte) size {
	if value == nil {
		return size{}
	}
	return size{keys: 1, bytes: len(key) + len(value)}
}
