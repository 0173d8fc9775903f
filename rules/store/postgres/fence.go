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
	session int32
	lock    int64

	mu         sync.Mutex
	generation int64
	doubtful   bool
	abandoned  []<-chan struct{} // changes that nobody waits for, closed at their ends

	settling sync.Mutex
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

// settle begins a newer generation if there is doubt, and returns the one in
// force. What was changed before is as durable as the new generation, which is
// committed after it: also where the change was committed for this server alone, since
// somebody had it wait for a standby no longer.
func (f *fence) settle(ctx context.Context, s *Store) (int64, error) {
	f.mu.Lock()
	generation, doubtful := f.generation, f.doubtful
	f.mu.Unlock()
	if !doubtful {
		return generation, nil
	}
	f.settling.Lock()
	defer f.settling.Unlock()
	f.mu.Lock()
	generation, doubtful = f.generation, f.doubtful
	f.mu.Unlock()
	if !doubtful {
		return generation, nil
	}
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	err = s.durably(ctx, func(q queryer) error {
		return q.QueryRow(ctx, "SELECT shut_out($1, $2)", f.session, f.lock).Scan(&generation)
	})
	if err != nil {
		return 0, fmt.Errorf("finding out whether records were changed, which was in doubt: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation, f.doubtful = generation, false
	return generation, nil
}
