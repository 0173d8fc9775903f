package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// queryer is a connection, for one statement. A statement is a transaction of its
// own: nothing stays locked while a client thinks, or has died.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// durably makes one transaction on a connection of the pool. The error wraps
// errDoubt if nobody knows whether it was made.
func (s *Store) durably(ctx context.Context, do func(q queryer) error) error {
	conn, err := s.work.Acquire(ctx)
	if err != nil {
		return err // nothing was sent
	}
	defer conn.Release()
	s.options.Hook("store.before-commit")
	if err := do(conn); err != nil {
		return doubtful(err)
	}
	s.options.Hook("store.after-commit")
	return nil
}
