package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// fence keeps readers waiting while it is not known what became of a change of
// records. Each change belongs to a generation of the session. When a connection
// is lost while one is made, a newer generation is begun, which the database lets
// happen only when what the older one was doing has ended; what it has not begun
// it refuses from then on.
type fence struct {
	mu        sync.Mutex
	current   standing
	doubtful  bool
	abandoned []<-chan struct{} // changes that nobody waits for, closed at their ends

	settling sync.Mutex
}

// standing is what a process makes changes by.
type standing struct {
	session    int32
	lock       int64 // of the session
	generation int64
}

// abandon leaves a change that is being made to itself. Whoever reads afterwards
// waits for it.
func (f *fence) abandon(over <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandoned = append(f.abandoned, over)
}

func (f *fence) doubt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubtful = true
}

// unsettled returns those that have not ended.
func (f *fence) unsettled() []<-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandoned = slices.DeleteFunc(f.abandoned, func(over <-chan struct{}) bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	return slices.Clone(f.abandoned)
}

// settled waits until it is known what became of all changes that somebody may
// wonder about.
func (s *Store) settled(ctx context.Context) error {
	for _, over := range s.fence.unsettled() {
		select {
		case <-over:
		case <-ctx.Done():
			return fmt.Errorf("waiting for what is being written: %w", context.Cause(ctx))
		}
	}
	_, err := s.fence.settle(ctx, s)
	return err
}

// settle begins a newer generation if there is doubt, and returns what changes are
// made by from then on. What was changed before is as durable as the new generation,
// which is committed after it: also where the change was committed for this server alone,
// since somebody had it wait for a standby no longer.
func (f *fence) settle(ctx context.Context, s *Store) (standing, error) {
	current, doubtful := f.standing()
	if !doubtful {
		return current, nil
	}
	f.settling.Lock()
	defer f.settling.Unlock()
	if current, doubtful = f.standing(); !doubtful {
		return current, nil
	}
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return standing{}, err
	}
	defer cancel()
	if current, err = s.shutOut(ctx, current); err != nil {
		return standing{}, fmt.Errorf("finding out whether records were changed, which was in doubt: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current, f.doubtful = current, false
	return current, nil
}

func (f *fence) standing() (current standing, doubtful bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current, f.doubtful
}

// shutOut ends a generation, and returns the next: of the session, or the first of another
// one if the database has none of that number any more. It says so with the lock of the
// session alone: what was being changed has ended, and what was not begun finds no session
// either, for numbers are not given twice.
func (s *Store) shutOut(ctx context.Context, of standing) (standing, error) {
	next := of
	err := s.durably(ctx, func(q queryer) error {
		return q.QueryRow(ctx, "SELECT shut_out($1, $2)", of.session, of.lock).Scan(&next.generation)
	})
	if !hasCode(err, codeGeneration) {
		return next, err
	}
	if err := s.durably(ctx, func(q queryer) error { return s.beginSession(ctx, q, &next) }); err != nil {
		return standing{}, err
	}
	s.options.Logger.Warn("the database had forgotten this signer, as it does one that was away for a week: it is known again",
		"session", of.session, "now", next.session)
	return next, nil
}

// beginSession makes the process known to the database.
func (s *Store) beginSession(ctx context.Context, q queryer, begun *standing) error {
	err := q.QueryRow(ctx, "INSERT INTO sessions (replica) VALUES ($1) RETURNING id, generation", s.options.Replica).Scan(&begun.session, &begun.generation)
	begun.lock = lockKey(s.found.id, "session", fmt.Sprint(begun.session))
	return err
}
