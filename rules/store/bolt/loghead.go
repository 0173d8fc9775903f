package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules/store"
)

// maxLogHeads bounds the logs that are remembered; the ones used longest ago
// are forgotten.
const maxLogHeads = 16

// maxLogHeadRecord bounds their record, in bytes of JSON.
const maxLogHeadRecord = 128 << 10

// LogHead is up to where the store has what an audit log has.
type LogHead = store.LogHead

// KeepLogHead remembers up to where the store has what an audit log has. A head without a
// time is of a log that was only read: when it was used, and after which others, stays as it
// was. It is durable when KeepLogHead returns.
func (s *Store) KeepLogHead(ctx context.Context, head LogHead) error {
	if head.Log == "" || head.Seq == 0 {
		return errors.New("an audit log without a path or an entry can't be remembered")
	}
	if !utf8.ValidString(head.Log) {
		return fmt.Errorf("the path of the audit log, %q, is not UTF-8 and can't be remembered: name another", head.Log)
	}
	return s.writer.do(ctx, func(t *tables) error {
		record, err := t.get(bucketMeta, []byte(keyLogHeads))
		if err != nil {
			return err
		}
		heads, err := decodeLogHeads(record)
		if err != nil {
			return err
		}
		heads = withHead(heads, head)
		heads = heads[max(0, len(heads)-maxLogHeads):]
		if record, err = json.Marshal(heads); err != nil {
			return fmt.Errorf("encoding the heads of audit logs: %w", err)
		}
		if len(record) > maxLogHeadRecord {
			return fmt.Errorf("the paths of audit logs are too long: %d bytes, at most %d", len(record), maxLogHeadRecord)
		}
		return t.put(bucketMeta, []byte(keyLogHeads), record)
	})
}

// withHead puts a head among those of other logs: the one used last is at the end, and those
// that were only read are at the beginning.
func withHead(heads []LogHead, head LogHead) []LogHead {
	at := slices.IndexFunc(heads, func(h LogHead) bool { return h.Log == head.Log })
	switch {
	case !head.Time.IsZero() && at >= 0:
		return append(slices.Delete(heads, at, at+1), head)
	case !head.Time.IsZero():
		return append(heads, head)
	case at >= 0:
		head.Time = heads[at].Time
		heads[at] = head
		return heads
	default:
		return slices.Insert(heads, 0, head)
	}
}

// LogHeads returns up to where the store has what audit logs have, the one used last at
// the end, and those that were only read at the beginning. It is nil for a store that was
// used with none; one of a version that remembered none has no entries in it.
func (s *Store) LogHeads(ctx context.Context) (heads []LogHead, err error) {
	if err := errors.Join(context.Cause(ctx), s.writer.health()); err != nil {
		return nil, err
	}
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			bucket, err := bucketOf(tx, bucketMeta)
			if err != nil {
				return err
			}
			heads, err = decodeLogHeads(bucket.Get([]byte(keyLogHeads)))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the heads of audit logs: %w", err)
	}
	return heads, nil
}

func decodeLogHeads(record []byte) ([]LogHead, error) {
	if record == nil {
		return nil, nil
	}
	if len(record) > maxLogHeadRecord {
		return nil, fmt.Errorf("%w: the heads of audit logs have %d bytes", errRecord, len(record))
	}
	var heads []LogHead
	if err := json.Unmarshal(record, &heads); err != nil {
		return nil, fmt.Errorf("%w: the heads of audit logs: %w", errRecord, err)
	}
	return heads, nil
}
