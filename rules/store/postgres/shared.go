package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// Lock waits for a lock of that name among all processes that share the store, which
// take turns; in each it is had in the order of arrival. It ends with release, and when
// the connection is lost that has the locks of this process.
func (s *Store) Lock(ctx context.Context, name string) (release func(), err error) {
	if err := s.usable(ctx); err != nil {
		return nil, fmt.Errorf("waiting for a lock: %w", err)
	}
	select {
	case s.named <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for one lock of %d: %w", maxNamed, context.Cause(ctx))
	case <-s.base.Done():
		return nil, fmt.Errorf("waiting for a lock: %w", ErrClosed)
	}
	n, err := s.lockNamed(ctx, lockKey(s.found.id, "lock", name))
	if err != nil {
		<-s.named
		return nil, fmt.Errorf("waiting for a lock: %w", err)
	}
	return sync.OnceFunc(func() {
		s.giveNamed(n)
		<-s.named
	}), nil
}

// RecordsSince calls a function for the records with a prefix that were changed
// after a mark, as they are now; nil is one that was removed. Changes have their
// marks in the order in which they are seen, so that none is missed.
func (s *Store) RecordsSince(ctx context.Context, prefix string, since rules.Mark, do func(key string, value []byte) error) (rules.Mark, error) {
	if err := s.settled(ctx); err != nil {
		return since, fmt.Errorf("reading records: %w", err)
	}
	mark := since
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var last int64
		if err := tx.QueryRow(ctx, "SELECT mark FROM records_size").Scan(&last); err != nil {
			return fmt.Errorf("reading the mark of records: %w", err)
		}
		mark = rules.Mark(last)
		if mark <= since {
			return nil
		}
		return each(ctx, tx, do, `SELECT key, value FROM records WHERE changed > $1 AND key >= $2 AND ($3::bytea IS NULL OR key < $3)
			UNION ALL SELECT key, NULL FROM removed WHERE changed > $1 AND key >= $2 AND ($3::bytea IS NULL OR key < $3)`,
			int64(since), []byte(prefix), after(prefix))
	})
	if err != nil {
		return since, err
	}
	return mark, nil
}
