package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Why a database is not rested on, and what to do.
const (
	pooled  = "as behind a pooler in transaction or statement mode: connect to PostgreSQL directly, or set the pooler to session mode with server_reset_query = DISCARD ALL"
	lockers = "and limits and nonces rest on locks: name a PostgreSQL server"
)

// patience is how long a database may take for one step. A far one needs it for each, not for all
// of those that make a beginning.
type patience struct {
	limit   time.Duration
	setting string // which says so; "" if none does
}

// step has a step done in time, and says what time that was where it was not.
func (p patience) step(ctx context.Context, do func(context.Context) error) error {
	end := time.Now().Add(p.limit)
	bounded, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	err := do(bounded)
	if err == nil || time.Now().Before(end) || ctx.Err() != nil { // the connection has its own, which may end before the context does
		return err
	}
	return fmt.Errorf("the database did not answer within %v%s: %w", p.limit, p.setting, err)
}

func (s *Store) patience() patience {
	return patience{s.options.Timeout, ", the limit of one step that store.postgres.timeout sets"}
}

// prove has the first connection, and the first of those that hold locks, show what locks do.
func (s *Store) prove(ctx context.Context, first *pgx.Conn) error {
	var conn *pgxpool.Conn
	err := s.patience().step(ctx, func(ctx context.Context) (err error) {
		conn, err = s.locking.Acquire(ctx)
		return err
	})
	if err == nil {
		defer conn.Release()
		err = prove(ctx, conn.Conn(), first, s.patience())
	}
	if err != nil {
		return fmt.Errorf("finding out whether the database keeps locks: %w", err)
	}
	return nil
}

// question is what one of two parties is asked.
type question struct {
	of     *party
	sql    string // of what is answered, the first column is the server's process, and the last counts
	want   string // "" is anything
	unlike string // what is told of another answer
}

// prove has two connections show that locks are what PostgreSQL has: what one holds is
// refused to the other; that of a transaction ends with it; that of a session stays when a
// transaction ends, and is free when it was given back. A connection stays with one process
// of the server, also while the other keeps a process busy. Nothing is written.
//
// Locks of sessions come last, for a pooler would leave them to others.
func prove(ctx context.Context, one, other *pgx.Conn, limit patience) error {
	a, b := &party{conn: one, patience: limit}, &party{conn: other, patience: limit}
	brief, key := freshKey(), freshKey()
	err := ask(ctx, a, b, []question{
		{of: a, sql: "SELECT pg_backend_pid()"},
		{of: b, sql: "BEGIN; SELECT pg_backend_pid()"},
		{of: a, sql: fmt.Sprintf("BEGIN; SELECT pg_backend_pid(), pg_advisory_xact_lock(%d)", brief)},
		{b, fmt.Sprintf("SELECT pg_backend_pid(), pg_try_advisory_xact_lock_shared(%d)", brief), "f", "what a transaction had locked was given to another as well"},
		{of: a, sql: "SELECT pg_backend_pid(); COMMIT"},
		{b, fmt.Sprintf("SELECT pg_backend_pid(), pg_try_advisory_xact_lock_shared(%d); COMMIT", brief), "t", "what a transaction had locked was not free when it had ended"},
		{of: a, sql: "SELECT pg_backend_pid()"}, // which a pooler may have the other's process do
	})
	if err != nil {
		return err
	}
	err = ask(ctx, a, b, []question{
		{of: a, sql: fmt.Sprintf("SELECT pg_backend_pid(), pg_advisory_lock(%d)", key)},
		{b, fmt.Sprintf("SELECT pg_backend_pid(), pg_try_advisory_lock(%d)", key), "f", "what a connection had locked was given to another as well"},
		{a, fmt.Sprintf("SELECT pg_backend_pid(), pg_advisory_unlock(%d)", key), "t", "a connection had no more what it had locked"},
		{b, fmt.Sprintf("SELECT pg_backend_pid(), pg_try_advisory_lock(%d) AND pg_advisory_unlock(%[1]d)", key), "t", "what a connection had locked was not free when it was given back"},
	})
	if err != nil {
		a.forget(ctx, key)
		b.forget(ctx, key)
	}
	return err
}

// ask asks in turn, until an answer is wrong.
func ask(ctx context.Context, a, b *party, questions []question) error {
	for _, q := range questions {
		got, err := q.of.answer(ctx, q.sql)
		switch {
		case err != nil:
			return err
		case a.process == b.process:
			return blame(ctx, a, b, "the server's process "+a.process+" serves two connections", pooled)
		case q.want != "" && got != q.want:
			return blame(ctx, a, b, q.unlike, lockers)
		}
	}
	return nil
}

// blame is the error of two connections of which something was seen that PostgreSQL does not
// do. Two servers do, one before a failover and one after.
func blame(ctx context.Context, a, b *party, seen, remedy string) error {
	var calls, began [2]string
	for i, p := range []*party{b, a} { // the last may wait for the first to end its transaction
		var err error
		if calls[i], err = p.answer(ctx, "ROLLBACK; SELECT pg_backend_pid(), version()"); err != nil {
			return err // it was lost, and its locks with it
		}
		// "" of a database that does not tell.
		began[i], _ = p.answer(ctx, "SELECT pg_backend_pid(), pg_postmaster_start_time()")
	}
	if began[0] != began[1] {
		return fmt.Errorf("connections lead to different servers, begun at %s and at %s, and %s: name the primary alone, or start again if it has just failed over", began[1], began[0], seen)
	}
	return fmt.Errorf("%w: %s, %s; it calls itself %.100q", ErrLocks, seen, remedy, calls[0])
}

// freshKey is of a lock that nobody else knows.
func freshKey() int64 {
	var random [8]byte
	_, _ = rand.Read(random[:])
	return int64(binary.BigEndian.Uint64(random[:]) >> 1) // a minus before the least would be an operator
}
