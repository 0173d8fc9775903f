package approval

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/rules"
)

// use takes the approval for a request, nil if another has it. Nothing is durable
// before Keep.
func (w *question) use() rules.Hold {
	w.entry.mu.Lock()
	defer w.entry.mu.Unlock()
	if w.entry.user || w.entry.record.State != StateApproved {
		return nil
	}
	w.entry.user = true
	return &use{queue: w.queue, entry: w.entry}
}

// using reports whether a request uses the approval now.
func (e *entry) using() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.user
}

// use is the use of an approval by one request.
type use struct {
	queue *Queue
	entry *entry
	kept  *unlet // what was kept, nil before
}

// Drop leaves the approval to another request.
func (u *use) Drop() { u.end() }

// end tells that the request is done with the approval.
func (u *use) end() {
	u.entry.mu.Lock()
	defer u.entry.mu.Unlock()
	u.entry.user = false
	close(u.entry.changed)
	u.entry.changed = make(chan struct{})
}

// Keep makes it durable that the approval is used, before anything is signed.
// Limits whose windows have passed while people thought count anew.
func (u *use) Keep(ctx context.Context) error {
	if err := u.keep(ctx); err != nil {
		u.end()
		return fmt.Errorf("using ticket %s: %w", u.entry.content.ID, err)
	}
	return nil
}

func (u *use) keep(ctx context.Context) error {
	q, e := u.queue, u.entry
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err != nil {
		return err
	}
	r := e.now()
	switch {
	case r.State != StateApproved:
		return &DecidedError{r.State, r.Decided}
	case !q.cfg.Clock().Before(r.UseBy):
		return errors.New("it is too late")
	case q.void(e):
		return ErrVoid
	case !e.as(&r).enough():
		return errors.New("too few have approved")
	}
	more, before, err := q.holdAnew(ctx, &r)
	if err != nil {
		var over *rules.OverLimitError
		if errors.As(err, &over) {
			return errors.Join(err, q.noRoom(ctx, e, r, before))
		}
		return err
	}
	r.State = StateUsed
	raw, err := q.store(ctx, e, r)
	if err != nil {
		if e.doubtful() {
			e.unlets(&unlet{raw, before})
		}
		return errors.Join(err, q.giveBackLater(ctx, e, more))
	}
	u.kept = &unlet{raw, r.Holds}
	if err := q.giveBack(ctx, before...); err != nil {
		q.cfg.Logger.DebugContext(ctx, "What was held anew counts from before as well", "ticket", e.content.ID, "error", err)
	}
	return nil
}

// holdAnew holds charges again, see [rules.HoldAnew]. It returns the hold, and those that
// are not needed any more when it is kept.
func (q *Queue) holdAnew(ctx context.Context, r *record) (id rules.HoldID, before []rules.HoldID, err error) {
	if len(r.Charges) == 0 {
		return 0, nil, nil
	}
	if q.cfg.Ledger == nil {
		return 0, nil, errNoLedger
	}
	if id, before, err = rules.HoldAnew(ctx, q.cfg.Ledger, r.Holds, r.Charges); err == nil {
		r.Holds = []rules.HoldID{id}
	}
	return id, before, err
}

// noRoom ends a ticket whose limits others have taken while people thought: it can't be used
// any more, and stands in the way of a question that has other people pass them.
func (q *Queue) noRoom(ctx context.Context, e *entry, r record, left []rules.HoldID) error {
	r.State, r.Holds = StateLapsed, left
	if err := q.change(ctx, e, r); err != nil {
		return fmt.Errorf("%w: ending the ticket: %w", rules.ErrNoState, err)
	}
	q.decided(ctx, e, WhatLapsed)
	return nil
}

// Settle tells what became of the request. An approval that was certainly not used
// is there for another one.
func (u *use) Settle(ctx context.Context, _ *rules.Request, result rules.Result) error {
	defer u.end()
	q, e := u.queue, u.entry
	if result.Outcome == rules.Unknown {
		return nil // a signature may exist: what is held goes on counting
	}
	if result.Outcome == rules.NotSigned {
		err := u.settle(ctx, func(r record) error { return q.unuse(ctx, e, r) })
		if err != nil { // the sweep tries again
			e.unlets(u.kept)
		}
		return err
	}
	return u.settle(ctx, func(r record) error {
		var failures []error
		for _, id := range r.Holds {
			failures = append(failures, q.commit(ctx, id))
		}
		r.State, r.Holds = StateSigned, nil
		if err := q.change(ctx, e, r); err != nil {
			// It is used, which is as good: nobody uses it again.
			q.cfg.Logger.WarnContext(ctx, "Ticket stays in use", "ticket", e.content.ID, "error", err)
		}
		return errors.Join(failures...)
	})
}

// settle ends the use of a ticket that is used, in its turn.
func (u *use) settle(ctx context.Context, end func(record) error) error {
	q, e := u.queue, u.entry
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err != nil {
		return err
	}
	r := e.now()
	if r.State != StateUsed {
		return fmt.Errorf("ticket %s is %s", e.content.ID, r.State)
	}
	return end(r)
}

// shared is the use of an approval that an equal request has used at the same time:
// it gets the same signature.
type shared struct{}

// Drop does nothing.
func (shared) Drop() {}

// Keep keeps nothing.
func (shared) Keep(context.Context) error { return nil }

// Settle settles nothing.
func (shared) Settle(context.Context, *rules.Request, rules.Result) error { return nil }
