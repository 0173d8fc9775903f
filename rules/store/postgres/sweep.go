package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sweepEvery = time.Minute
	sweepPause = 20 * time.Millisecond
)

// sweep takes off, now and then, what nobody asks about: charges that expired of
// counters that are not used, holds that were never settled, removals that all
// have been told, and sessions that have ended. All processes do it, and none
// waits for another.
func (s *Store) sweep() {
	for s.pause(sweepEvery/2 + rand.N(sweepEvery)) { //nolint:gosec // so that processes don't do it at the same time
		if err := s.sweepOnce(); err != nil && s.base.Err() == nil {
			s.options.Logger.Warn("what has expired could not be taken off, and will be later", "error", err)
		}
	}
}

func (s *Store) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.base.Done():
		return false
	}
}

func (s *Store) sweepOnce() error {
	if err := s.stayOrdinary(); err != nil {
		return err
	}
	// First what must not wait for what may take long or fail.
	all := s.stay()
	for _, statement := range []string{
		"DELETE FROM sessions WHERE seen < now() - interval '7 days'",
		"DELETE FROM removed WHERE at < now() - interval '25 hours'",
		// A hold is known for a day after its windows, for one who settles it late.
		"DELETE FROM holds WHERE expires < (SELECT latest FROM clock) - 86400000000000",
	} {
		all = errors.Join(all, s.inStep(func(ctx context.Context) error {
			_, err := s.work.Exec(ctx, statement)
			return err
		}))
	}
	return errors.Join(all, s.sweepCounters())
}

// sweepCounters takes off charges that expired. Each statement has some of them, since
// their counters stay locked, for everybody, until it ends.
func (s *Store) sweepCounters() error {
	last := new(int64)
	for {
		err := s.inStep(func(ctx context.Context) error {
			return s.work.QueryRow(ctx, "SELECT sweep($1, $2)", *last, s.now()).Scan(&last)
		})
		if err != nil || last == nil || !s.pause(sweepPause) {
			return err
		}
	}
}

// stay keeps others from taking the sessions of this process for ended.
func (s *Store) stay() error {
	current, _ := s.fence.standing()
	stands, own := s.witnesses.stands()
	return s.inStep(func(ctx context.Context) error {
		rows, err := s.work.Query(ctx, "UPDATE sessions SET seen = now() WHERE id = ANY ($1) RETURNING id", append(own, current.session))
		if err != nil {
			return err
		}
		there, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return err
		}
		for i, is := range stands {
			if is.session != 0 && slices.Contains(there, is.session) {
				s.witnesses.all[i].there(is.session)
			}
		}
		return nil
	})
}

func (s *Store) inStep(do func(ctx context.Context) error) error {
	ctx, cancel := s.step()
	defer cancel()
	return do(ctx)
}
