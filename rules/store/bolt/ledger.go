package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// maxLapsed is how many holds are remembered after their windows at least; it
// is never more than twice as many.
const maxLapsed = 1 << 16

// ledger knows which holds may be settled. What they count is in the file alone.
type ledger struct {
	mu     sync.Mutex
	open   map[rules.HoldID]bool // true: its windows have passed
	lapsed []rules.HoldID        // those, the oldest first, and some that were settled since
}

// Hold counts all charges or none, and has made that durable when it returns.
// The error is as for [rules.Ledger], or a *[BusyError] if too many are waiting.
// If ctx ends first, nothing is held, or what is held is given back.
func (s *Store) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	id, _, err := s.holdOrReserve(ctx, charges, false)
	return id, err
}

// holdOrReserve holds, and may leave it to who asks to make that durable.
func (s *Store) holdOrReserve(ctx context.Context, charges []rules.Charge, reserve bool) (rules.HoldID, *rules.Reservation, error) {
	id, reservation, err := s.hold(ctx, charges, reserve)
	var over *rules.OverLimitError
	if errors.As(err, &over) {
		s.findRoom(ctx, over)
	}
	return id, reservation, err
}

func (s *Store) hold(ctx context.Context, charges []rules.Charge, reserve bool) (rules.HoldID, *rules.Reservation, error) {
	if err := rules.CheckCharges(charges); err != nil {
		return 0, nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return 0, nil, err
	}
	charges = slices.Clone(charges)

	// All of it belongs to the writer until it has settled the change.
	var id rules.HoldID
	var refusal error
	done := make(chan error, 1)
	handover := &sync.Mutex{}
	gone, settled := false, false

	c := &change{dated: true, reserves: reserve}
	c.apply = func(t *tables) (err error) {
		id, refusal, err = t.hold(charges)
		if reserve && err == nil && refusal == nil {
			c.reserved = t.reservation(id, charges)
		}
		return err
	}
	c.settle = func(err error) {
		if err == nil {
			err = refusal
		}
		handover.Lock()
		defer handover.Unlock()
		settled = true
		switch {
		case err != nil:
		case gone:
			s.writer.again(&change{apply: func(t *tables) error { return t.release(id) }, settle: s.late("giving back an abandoned hold", id)})
		default:
			s.ledger.add(id)
		}
		done <- err
	}
	if err := s.writer.add(c, true); err != nil {
		return 0, nil, err
	}
	held := func(err error) (rules.HoldID, *rules.Reservation, error) {
		if err != nil {
			return 0, nil, err
		}
		return id, c.reserved, nil
	}
	select {
	case err := <-done:
		return held(err)
	case <-ctx.Done():
	}
	handover.Lock()
	defer handover.Unlock()
	if settled {
		return held(<-done)
	}
	gone = true
	c.owner.CompareAndSwap(queued, withdrawn)
	return 0, nil, fmt.Errorf("waiting for a hold: %w", context.Cause(ctx))
}

// Commit says that what a hold was for was done. It does not wait for the disk,
// and has no flush of its own: a hold that is not settled counts the same, and
// soon after it is written with what comes next; if that fails, it is as if it was not settled. The error is [ErrNoHold] for one
// that was settled before.
func (s *Store) Commit(_ context.Context, id rules.HoldID) error {
	lapsed, err := s.ledger.take(id)
	if err != nil || lapsed {
		return err
	}
	err = s.writer.add(&change{
		apply:  func(t *tables) error { return t.commit(id) },
		settle: s.late("committing a hold", id),
		lazy:   true,
	}, false)
	if err != nil {
		s.ledger.add(id)
	}
	return err
}

// late tells the log of a change that nobody waits for.
func (s *Store) late(what string, id rules.HoldID) func(error) {
	return func(err error) {
		if err != nil {
			s.logger.Error("a hold counts as one that was not settled", "doing", what, "hold", uint64(id), "error", err)
		}
	}
}

// Release gives a hold back, durably. After an error it may be tried again,
// unless the error is [ErrNoHold]. If ctx ends first, it may have been given
// back or not.
func (s *Store) Release(ctx context.Context, id rules.HoldID) error {
	lapsed, err := s.ledger.take(id)
	if err != nil || lapsed {
		return err
	}
	done := make(chan error, 1)
	err = s.writer.add(&change{
		apply: func(t *tables) error { return t.release(id) },
		settle: func(err error) {
			if err != nil {
				s.ledger.add(id)
			}
			done <- err
		},
	}, false)
	if err != nil {
		s.ledger.add(id)
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a release, which may stand: %w", context.Cause(ctx))
	}
}

func (l *ledger) add(id rules.HoldID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[id] = false
}

// take is the settling of a hold: once.
func (l *ledger) take(id rules.HoldID) (lapsed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lapsed, ok := l.open[id]
	if !ok {
		return false, fmt.Errorf("hold %d: %w", id, ErrNoHold)
	}
	delete(l.open, id)
	return lapsed, nil
}

// lapse marks holds whose windows have passed. There is nothing left to settle
// of them, but who holds one does not know. The oldest are forgotten, for many
// are of requests whose outcome stayed unknown.
func (l *ledger) lapse(ids []rules.HoldID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if _, ok := l.open[id]; ok {
			l.open[id] = true
			l.lapsed = append(l.lapsed, id)
		}
	}
	if len(l.lapsed) < 2*maxLapsed {
		return
	}
	excess := len(l.lapsed) - maxLapsed
	for _, id := range l.lapsed[:excess] {
		delete(l.open, id)
	}
	l.lapsed = slices.Clone(l.lapsed[excess:])
}
