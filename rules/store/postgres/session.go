package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sessions are those that hold locks.
type sessions struct {
	mu  sync.Mutex
	all map[*session]struct{}
}

// drop ends all, and with them their locks.
func (h *sessions) drop() {
	h.mu.Lock()
	all := h.all
	h.all = nil
	h.mu.Unlock()
	for one := range all {
		one.drop()
	}
}

// session is a connection that holds a lock of the database, which it loses when
// it ends. The database ends it if it hears nothing: what stopped, or was cut off,
// does not keep others waiting.
type session struct {
	store *Store
	lock  int64

	mu   sync.Mutex
	conn *pgxpool.Conn // nil: it has ended
	stop context.CancelFunc
}

// lockSession waits for a lock that has a session of its own.
func (s *Store) lockSession(ctx context.Context, lock int64) (*session, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.base, func() { cancel(ErrClosed) })()
	conn, err := s.locking.Acquire(ctx)
	if err != nil {
		return nil, because(ctx, err)
	}
	if err := s.takeLock(ctx, conn.Conn(), lock); err != nil {
		closeConn(conn) // it may have the lock all the same
		return nil, because(ctx, err)
	}
	one := &session{store: s, lock: lock, conn: conn}
	beat, stop := context.WithCancel(s.base)
	one.stop = stop
	s.held.mu.Lock()
	if s.base.Err() != nil {
		s.held.mu.Unlock()
		one.drop()
		return nil, ErrClosed
	}
	if s.held.all == nil {
		s.held.all = make(map[*session]struct{})
	}
	s.held.all[one] = struct{}{}
	s.tasks.Go(func() { one.beat(beat) })
	s.held.mu.Unlock()
	return one, nil
}

// because is the error with why a context ended, if that was it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// closeConn closes a connection of a pool.
func closeConn(conn *pgxpool.Conn) {
	closeSoon(context.Background(), conn.Conn())
	conn.Release()
}

// beat lets the database hear of the session.
func (one *session) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		step, cancel := context.WithTimeout(ctx, one.store.options.Timeout)
		err := one.do(step, func(conn *pgx.Conn) error { return conn.Ping(step) })
		cancel()
		if err != nil {
			one.store.options.Logger.Warn("a lock in the database was lost", "error", err)
			return
		}
	}
}

// do uses the connection. An error ends the session.
func (one *session) do(ctx context.Context, use func(conn *pgx.Conn) error) error {
	one.mu.Lock()
	if one.conn == nil {
		one.mu.Unlock()
		return errLockLost
	}
	err := context.Cause(ctx)
	if err == nil {
		err = use(one.conn.Conn())
	}
	one.mu.Unlock()
	if err != nil {
		one.drop()
	}
	return err
}

var errLockLost = fmt.Errorf("the connection that held the lock has ended")

// release gives the lock back and keeps the connection for another.
func (one *session) release() {
	step, cancel := one.store.step()
	defer cancel()
	err := one.do(step, func(conn *pgx.Conn) error {
		var had bool
		var mark string
		err := conn.QueryRow(step, "SELECT "+markOf+", pg_advisory_unlock($1)", one.lock).Scan(&mark, &had)
		if err != nil {
			return err
		}
		if err = checkMark(conn, mark); err == nil && !had {
			err = fmt.Errorf("%w: %s", ErrLockGone, pooled)
		}
		if err != nil { // others may have had it at the same time
			return one.store.breakUp(err)
		}
		return nil
	})
	if err == nil {
		one.giveBack()
	}
}

// giveBack ends a session that has no lock any more.
func (one *session) giveBack() {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.forget()
	if one.conn != nil {
		one.conn.Release()
		one.conn = nil
	}
}

// drop ends the session, and its lock with it.
func (one *session) drop() {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.forget()
	if one.conn != nil {
		closeConn(one.conn)
		one.conn = nil
	}
}

func (one *session) forget() {
	one.stop()
	one.store.held.mu.Lock()
	defer one.store.held.mu.Unlock()
	delete(one.store.held.all, one)
}
