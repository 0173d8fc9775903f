package approval

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/rules"
)

// maxTries is how often what is held is given back before that is left to time.
const maxTries = 60

// unused reports whether a ticket has ended without a use, and still holds
// something: the process ended before it was given back, or the ledger failed.
func (r *record) unused() bool {
	switch r.State {
	case StateRejected, StateExpired, StateLapsed, StateVoid:
		return len(r.Holds) > 0
	default:
		return false
	}
}

// clearLater gives back what a ticket holds that has ended.
func (q *Queue) clearLater(ctx context.Context, e *entry) {
	if err := e.enter(ctx); err != nil {
		return
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err == nil {
		q.clear(ctx, e)
	}
}

// clear gives back what is held by a ticket that has ended without a use. What can't
// be given back is tried again for a while. The turn is the caller's.
func (q *Queue) clear(ctx context.Context, e *entry) {
	r := e.now()
	if !r.unused() {
		return
	}
	left, err := q.released(ctx, r.Holds)
	if err != nil {
		if e.tries++; e.tries >= maxTries {
			q.cfg.Logger.WarnContext(ctx, "Limits go on counting until their windows have passed", "ticket", e.content.ID, "error", err)
			left = nil
		}
	}
	if len(left) == len(r.Holds) {
		return
	}
	r.Holds = left
	if err := q.change(ctx, e, r); err != nil {
		q.cfg.Logger.WarnContext(ctx, "Ticket not cleared", "ticket", e.content.ID, "error", err)
	}
}

// giveBack releases what is held. What can't be given back goes on counting until
// its window has passed.
func (q *Queue) giveBack(ctx context.Context, holds ...rules.HoldID) error {
	_, err := q.released(ctx, holds)
	return err
}

// released releases what is held, and returns what could not be.
func (q *Queue) released(ctx context.Context, holds []rules.HoldID) (left []rules.HoldID, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	var failures []error
	for _, id := range holds {
		if id == 0 {
			continue
		}
		if err := q.release(ctx, id); err != nil {
			failures, left = append(failures, fmt.Errorf("giving limits back: %w", err)), append(left, id)
		}
	}
	return left, errors.Join(failures...)
}

// errNoLedger is for what was held when there were limits.
var errNoLedger = errors.New("there is no ledger")

func (q *Queue) release(ctx context.Context, id rules.HoldID) error {
	if q.cfg.Ledger == nil {
		return errNoLedger
	}
	return q.cfg.Ledger.Release(ctx, id)
}

func (q *Queue) commit(ctx context.Context, id rules.HoldID) error {
	if q.cfg.Ledger == nil {
		return errNoLedger
	}
	return q.cfg.Ledger.Commit(ctx, id)
}
