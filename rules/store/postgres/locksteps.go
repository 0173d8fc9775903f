package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Locks are asked for, and not waited for by the database: a statement that waits keeps a
// snapshot, and for as long as there is one, no version of a row that came later is cleared
// away. Holds, which change the same rows over and over, would get slower and slower.
//
// Each lock has a door, which is another lock. Who has come through it is the next to have
// the lock, before all who come later, also before who gives it back and asks again at once.
// So processes take turns. A lock that is free, and nobody waits for, takes one statement.

// The steps to a lock, and back.
const (
	stepAsk    = iota // for the door, and then for the lock
	stepInside        // for the lock, by who is through the door
	stepGoOut         // by who does not want the lock any more
	stepGive          // the lock back
)

// Where a step leads to. Less than nothing is never seen in a database that keeps locks.
const (
	atShut = iota // of the door
	atNext        // through it
	atLock        // which is had
)

// How soon it is asked again for a lock that another has: at first by who is next, who
// doubles it each time, and by all others.
const (
	soonest   = lookEvery / 16
	lookEvery = 10 * time.Millisecond
)

// lockSteps takes steps, and locks, and their doors.
const lockSteps = "SELECT " + markOf + `, ARRAY (SELECT CASE o.step
		WHEN 0 THEN CASE WHEN NOT pg_try_advisory_lock(o.door) THEN 0 WHEN NOT pg_try_advisory_lock(o.lock) THEN 1 WHEN pg_advisory_unlock(o.door) THEN 2 ELSE -1 END
		WHEN 1 THEN CASE WHEN NOT pg_try_advisory_lock(o.lock) THEN 1 WHEN pg_advisory_unlock(o.door) THEN 2 ELSE -1 END
		WHEN 2 THEN CASE WHEN pg_advisory_unlock(o.door) THEN 0 ELSE -1 END
		WHEN 3 THEN CASE WHEN pg_advisory_unlock(o.lock) THEN 0 ELSE -1 END
		ELSE -1 END FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS o (step, lock, door, place) ORDER BY o.place)`

// steps are taken by one statement. All members have the same length.
type steps struct {
	of          []int32
	locks, door []int64
}

func (a *steps) add(step int32, lock int64) {
	a.of, a.locks, a.door = append(a.of, step), append(a.locks, lock), append(a.door, ^lock)
}

// takeSteps returns where they have led to. It counts if nobody else has been served by the
// server's process of the connection.
func (s *Store) takeSteps(ctx context.Context, conn *pgx.Conn, all steps) (at []int32, err error) {
	var mark string
	if err := conn.QueryRow(ctx, lockSteps, all.of, all.locks, all.door).Scan(&mark, &at); err != nil {
		return nil, err
	}
	if err := checkMark(conn, mark); err != nil {
		return nil, s.breakUp(err)
	}
	if len(at) != len(all.of) {
		return nil, fmt.Errorf("%d steps to locks were answered of %d", len(at), len(all.of))
	}
	for _, is := range at {
		if is < 0 { // others may have had it at the same time
			return nil, s.breakUp(fmt.Errorf("%w: %s", ErrLockGone, pooled))
		}
	}
	return at, nil
}

// takeLock waits for a lock by itself. Who is next looks sooner in the beginning: the storage
// is had for some milliseconds.
func (s *Store) takeLock(ctx context.Context, conn *pgx.Conn, lock int64) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	step, wait := int32(stepAsk), lookEvery
	for {
		var all steps
		all.add(step, lock)
		at, err := s.takeSteps(ctx, conn, all)
		switch {
		case err != nil:
			return err
		case at[0] == atLock:
			return nil
		case at[0] == atShut:
		case step == stepAsk:
			step, wait = stepInside, soonest
		default:
			wait = min(2*wait, lookEvery)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
