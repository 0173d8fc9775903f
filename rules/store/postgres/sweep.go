package postgres

import (
	"context"
	"math/rand/v2"
	"time"
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
	last := new(int64)
	for last != nil {
		err := s.inStep(func(ctx context.Context) error {
			return s.work.QueryRow(ctx, "SELECT sweep($1, $2)", *last, s.now()).Scan(&last)
		})
		if err != nil {
			return err
		}
		if last != nil && !s.pause(sweepPause) {
			return nil
		}
	}
	current, _ := s.fence.standing()
	for _, statement := range []string{
		"UPDATE sessions SET seen = now() WHERE id = $1",
		"DELETE FROM sessions WHERE id <> $1 AND seen < now() - interval '7 days'",
		"DELETE FROM removed WHERE at < now() - interval '25 hours' AND $1::integer > 0",
		// A hold is known for a day after its windows, for one who settles it late.
		"DELETE FROM holds WHERE expires < (SELECT latest FROM clock) - 86400000000000 AND $1::integer > 0",
	} {
		err := s.inStep(func(ctx context.Context) error {
			_, err := s.work.Exec(ctx, statement, current.session)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) inStep(do func(ctx context.Context) error) error {
	ctx, cancel := s.step()
	defer cancel()
	return do(ctx)
}
