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
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			q.sweep(ctx)
		}
	}
}

// sweep ends and removes what is due. What can't be changed now is due again.
func (q *Queue) sweep(ctx context.Context) {
	q.mu.Lock()
	entries := make([]*entry, 0, len(q.tickets))
	for _, e := range q.tickets {
		entries = append(entries, e)
	}
	q.mu.Unlock()
	now := q.cfg.Clock()
	var ended []*entry
	for _, e := range entries {
		switch r, _ := e.now(); {
		case r.State == StateOpen && !now.Before(e.content.Deadline):
			q.end(ctx, e, StateOpen, StateExpired, WhatExpired)
		case r.State == StateApproved && !now.Before(r.UseBy):
			q.end(ctx, e, StateApproved, StateLapsed, WhatLapsed)
		case r.State.Ended():
			ended = append(ended, e)
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

// decided is when a ticket was decided.
func (e *entry) decided() time.Time {
	r, _ := e.now()
	return r.Decided
}

// end ends a ticket whose time is over. Nobody votes or uses it meanwhile.
func (q *Queue) end(ctx context.Context, e *entry, from, to State, what What) {
	if err := e.enter(ctx); err != nil {
		return
	}
	defer e.leave()
	r, _ := e.now()
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
	if err := q.settleDoubt(ctx, e); err != nil || e.using() {
		return
	}
	if r, _ := e.now(); !r.State.Ended() {
		return
	}
	if err := q.cfg.Records.ChangeRecords(ctx, rules.Change{Key: recordPrefix + e.content.ID, Old: e.raw}); err != nil {
		e.mu.Lock()
		e.doubt = true
		e.mu.Unlock()
		q.cfg.Logger.WarnContext(ctx, "Ticket not removed", "ticket", e.content.ID, "error", err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(e)
}
