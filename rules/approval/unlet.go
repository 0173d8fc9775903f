package approval

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kvclef/kvclef/rules"
)

// unlet is a use of an approval that failed while it was not known whether its record is
// stored, or whose end could not be stored. Nothing is signed by it, so that the ticket goes back to what it was if it is.
type unlet struct {
	raw   []byte         // of the record that says that it is used
	holds []rules.HoldID // what the ticket has held before, and holds
}

// unlets notes that nothing is signed by a use that may be stored; nil is that all is known.
// Whoever waits for the ticket looks again.
func (e *entry) unlets(u *unlet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unlet = u
	close(e.changed)
	e.changed = make(chan struct{})
}

// unletting returns the use that is to be taken back if it is stored, nil if there is none.
func (e *entry) unletting() *unlet {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unlet
}

// unuse makes a used ticket approved again, or ends it if it is of a policy that is not in
// force any more.
func (q *Queue) unuse(ctx context.Context, e *entry, r record) error {
	if r.State = StateApproved; q.outdated(e) {
		r.State, r.Decided = StateVoid, q.cfg.Clock().UTC()
	}
	err := q.change(ctx, e, r)
	if err == nil && r.State == StateVoid {
		q.decided(ctx, e, WhatVoid)
	}
	return err
}

// takeBackUse makes the ticket approved again if a use is stored by which nothing was signed. It
// is not if another process has used it, or nobody. The turn is the caller's, and nothing is
// in doubt.
func (q *Queue) takeBackUse(ctx context.Context, e *entry) error {
	u := e.unletting()
	if u == nil {
		return nil
	}
	if r := e.now(); bytes.Equal(e.raw, u.raw) && r.State == StateUsed {
		r.Holds = u.holds
		if err := q.unuse(ctx, e, r); err != nil {
			q.cfg.Logger.WarnContext(ctx, "Use of a ticket not taken back", "ticket", e.content.ID, "error", err)
			return fmt.Errorf("taking a use back by which nothing was signed: %w", err)
		}
	}
	e.unlets(nil)
	return nil
}
