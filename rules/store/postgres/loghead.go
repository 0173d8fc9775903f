package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules/store"
)

// Bounds of what is remembered of audit logs.
const (
	maxLogHeads = 16      // of a replica; the ones used longest ago are forgotten
	maxLogPath  = 4 << 10 // bytes
	maxLogHash  = 128     // bytes
)

// LogHead is up to where the store has what an audit log has.
type LogHead = store.LogHead

// KeepLogHead remembers how far an audit log of this replica has come. A head without a time
// is of a log that was only read: when it was used, and after which others, stays as it was.
// It is durable when KeepLogHead returns.
func (s *Store) KeepLogHead(ctx context.Context, head LogHead) error {
	if head.Log == "" || head.Seq == 0 {
		return errors.New("an audit log without a path or an entry can't be remembered")
	}
	if !utf8.ValidString(head.Log) || strings.ContainsRune(head.Log, 0) || len(head.Log) > maxLogPath {
		return fmt.Errorf("the path of the audit log, %.100q, is too long or not UTF-8 and can't be remembered: name another", head.Log)
	}
	if head.Seq > math.MaxInt64 || len(head.Hash) > maxLogHash || !utf8.ValidString(head.Hash) || strings.ContainsRune(head.Hash, 0) {
		return fmt.Errorf("entry %d of the audit log with the hash %.100q can't be remembered", head.Seq, head.Hash)
	}
	use := ", at = excluded.at, used = DEFAULT"
	if head.Time.IsZero() {
		use = ""
	}
	return s.exec(ctx, "remembering the head of the audit log", `WITH kept AS (
			INSERT INTO log_heads (replica, log, seq, hash, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (replica, log) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`+use+`
		) DELETE FROM log_heads WHERE replica = $1 AND log <> $2 AND used NOT IN (
			SELECT used FROM log_heads WHERE replica = $1 AND log <> $2 ORDER BY at = $7, used DESC LIMIT $6)`,
		s.options.Replica, head.Log, int64(head.Seq), head.Hash, head.Time, maxLogHeads-1, time.Time{})
}

// LogHeads returns how far the audit logs of this replica had come that were used
// with this store, the one used last at the end, and those that were only read at the
// beginning.
func (s *Store) LogHeads(ctx context.Context) ([]LogHead, error) {
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	rows, err := s.work.Query(ctx, "SELECT replica, log, seq, hash, at FROM log_heads WHERE replica = $1 ORDER BY at <> $2, used", s.options.Replica, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("reading the heads of audit logs: %w", err)
	}
	heads, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (LogHead, error) {
		var head LogHead
		var seq int64
		err := row.Scan(&head.Replica, &head.Log, &seq, &head.Hash, &head.Time)
		head.Seq, head.Time = uint64(seq), head.Time.UTC()
		return head, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the heads of audit logs: %w", err)
	}
	return heads, nil
}
