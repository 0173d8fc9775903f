package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// Records implements [rules.Records], and [rules.Shared] for those who use the same in
// one process. What it calls durable lasts as long as the process.
type Records struct {
	most size

	mu      sync.Mutex
	kept    map[string][]byte // values are replaced, never changed
	size    size
	mark    rules.Mark            // of the last change
	changed map[string]rules.Mark // when each was changed, removed ones too

	locks locks
}

// size is what records take.
type size struct{ records, bytes int }

var _ rules.Records = (*Records)(nil)

// NewRecords returns an empty one.
func NewRecords() *Records { return newRecords(rules.MaxRecords, rules.MaxRecordBytes) }

func newRecords(records, bytes int) *Records {
	return &Records{most: size{records, bytes}, kept: make(map[string][]byte), changed: make(map[string]rules.Mark)}
}

// Record returns a copy of a value, nil if there is none.
func (r *Records) Record(ctx context.Context, key string) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.kept[key]), nil
}

// EachRecord calls a function for those whose keys have a prefix, in order.
func (r *Records) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	found := r.withPrefix(prefix)
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := do(key, bytes.Clone(found[key])); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func (r *Records) withPrefix(prefix string) map[string][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make(map[string][]byte)
	for key, value := range r.kept {
		if strings.HasPrefix(key, prefix) {
			found[key] = value
		}
	}
	return found
}

// ChangeRecords makes all changes or none.
func (r *Records) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if err := rules.CheckChanges(changes); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	after := r.size
	for _, c := range changes {
		old := r.kept[c.Key]
		if (old == nil) != (c.Old == nil) || !bytes.Equal(old, c.Old) {
			return fmt.Errorf("%w: %q", rules.ErrConflict, c.Key)
		}
		after = after.plus(c.Key, c.New, 1).plus(c.Key, c.Old, -1)
	}
	if after.records > max(r.size.records, r.most.records) || after.bytes > max(r.size.bytes, r.most.bytes) {
		return fmt.Errorf("%w: it would be %d with %d bytes, of at most %d with %d",
			rules.ErrRecordsFull, after.records, after.bytes, r.most.records, r.most.bytes)
	}
	r.mark++
	for _, c := range changes {
		r.changed[c.Key] = r.mark
		if c.New == nil {
			delete(r.kept, c.Key)
		} else {
			r.kept[c.Key] = bytes.Clone(c.New)
		}
	}
	r.size = after
	return nil
}

// plus adds a record, or takes one off; a value that is nil is none.
func (s size) plus(key string, value []byte, sign int) size {
	if value != nil {
		s.records += sign
		s.bytes += sign * (len(key) + len(value))
	}
	return s
}
