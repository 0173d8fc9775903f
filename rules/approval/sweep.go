package approval

import (
	"context"
	"slices"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// sweepInterval is how often tickets are looked at whose time may be over.
const sweepInterval = time.Second

// Run ends tickets whose time is over, and removes old ones, until the context
// ends.
func (q *Queue) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	others := make(<-chan time.Time)
	if q.cfg.Shared != nil {
		often := time.NewTicker(sharedInterval)
		defer often.Stop()
		others = often.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			q.Sweep(ctx)
		case <-others:
			if err := q.takeOver(ctx); err != nil && ctx.Err() == nil {
				q.cfg.Logger.WarnContext(ctx, "Tickets of others not read", "error", err)
			}
		}
	}
}

// Sweep ends and removes what is due, as Run does by itself. What can't be changed now is
// due again.
func (q *Queue) Sweep(ctx context.Context) {
	q.payOff(ctx)
	q.mu.Lock()
	entries := make([]*entry, 0, len(q.tickets))
	for _, e := range q.tickets {
		entries = append(entries, e)
	}
	q.mu.Unlock()
	now := q.cfg.Clock()
	var ended []*entry
	for _, e := range entries {
		q.readDoubtful(ctx, e)
		switch r := e.now(); {
		case (r.State == StateOpen || r.State == StateApproved) && q.outdated(e):
			_, _ = q.endVoid(ctx, e) // it logs, and the next sweep tries again
		case r.State == StateOpen && !now.Before(e.content.Deadline):
			q.end(ctx, e, StateOpen, StateExpired, WhatExpired)
		case r.State == StateApproved && !now.Before(r.UseBy):
			q.end(ctx, e, StateApproved, StateLapsed, WhatLapsed)
		case r.State.Ended():
			ended = append(ended, e)
			if r.unused() {
				q.clearLater(ctx, e)
			}
		}
	}
	slices.SortFunc(ended, func(a, b *entry) int { return b.decided().Compare(a.decided()) })
	bytes := 0
	for i, e := range ended {
		bytes += e.size
		if i >= q.cfg.MaxKept || bytes > maxKept || now.After(e.decided().Add(max(q.cfg.Keep, q.cfg.Remember))) {
			q.purge(ctx, e)
		}
	}
}

// readDoubtful finds what is stored of a ticket, if that is not known, and takes back a use
// by which nothing was signed. What else has ended may be gone, which its removal finds.
func (q *Queue) readDoubtful(ctx context.Context, e *entry) {
	r := e.now()
	due := e.doubtful() && !r.State.Ended() || e.unletting() != nil
	if !due || e.enter(ctx) != nil {
		return
	}
	defer e.leave()
	_ = q.settleDoubt(ctx, e) // it logs, and the next sweep tries again
}

// decided is when a ticket was decided.
func (e *entry) decided() time.Time {
	r := e.now()
	return r.Decided
}

// end ends a ticket whose time is over. Nobody votes or uses it meanwhile.
func (q *Queue) end(ctx context.Context, e *entry, from, to State, what What) {
	if err := e.enter(ctx); err != nil {
		return
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err != nil {
		return
	}
	r := e.now()
	if r.State != from || e.using() {
		return
	}
	r.State = to
	if from == StateOpen {
		r.Decided = q.cfg.Clock().UTC()
	}
	if err := q.change(ctx, e, r); err != nil {
		q.cfg.Logger.WarnContext(ctx, "Ticket not ended", "ticket", e.content.ID, "error", err)
		return
	}
	q.decided(ctx, e, what)
}

// purge removes a ticket that has ended.
func (q *Queue) purge(ctx context.Context, e *entry) {
	if err := e.enter(ctx); err != nil {
		return
	}
	defer e.leave()
	if e.using() {
		return
	}
	if err := q.discard(ctx, e); err != nil {
		q.cfg.Logger.WarnContext(ctx, "Ticket not removed", "ticket", e.content.ID, "error", err)
		return
	}
	if r := e.now(); !r.State.Ended() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(e)
}

// discard removes what is stored of a ticket that has ended. The turn is the
// caller's.
func (q *Queue) discard(ctx context.Context, e *entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	key := recordPrefix + e.content.ID
	if e.doubtful() { // it may be gone already
		if kept, err := q.cfg.Records.Record(ctx, key); err != nil || kept == nil {
			return err
		}
		if err := q.settleDoubt(ctx, e); err != nil {
			return err
		}
	}
	if r := e.now(); !r.State.Ended() {
		return nil
	}
	err := q.cfg.Records.ChangeRecords(ctx, rules.Change{Key: key, Old: e.raw})
	if err != nil {
		e.doubts()
	}
	return err
}
