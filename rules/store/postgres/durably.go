package postgres

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	began := time.Now()
	if err := commits(conn.Conn(), func() error { return do(conn) }); err != nil {
		return err
	}
	s.options.Committed(time.Since(began))
	return nil
}

// again asks once more, of another connection, when one ended while it was asked.
// It is for what changes nothing.
func again(ctx context.Context, ask func() error) (err error) {
	for range maxTries {
		err = ask()
		if err == nil || ctx.Err() != nil || refusedByDatabase(err) || !lost(err) {
			return err
		}
	}
	return err
}

// lost tells whether an error is a connection's that ended.
func lost(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Severity == "FATAL" || answer.SeverityUnlocalized == "FATAL"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
