package clefjs

import (
	"context"
	"fmt"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules"
)

// hold is what a call wrote into the storage. In a section the transaction
// stays open after Keep, until Settle.
type hold struct {
	ruleset *Ruleset
	session *session
	section bool
}

// Drop forgets what the call wrote.
func (h *hold) Drop() { h.session.rollback() }

// Keep makes durable what the call wrote.
func (h *hold) Keep(ctx context.Context) error {
	if h.section {
		return h.session.flush(ctx)
	}
	return h.session.commit(ctx)
}

// Settle runs OnApprovedTx for a signed transaction. If that fails, or can't
// be made durable, what it wrote is forgotten, and the error withholds the
// signature; so it does if what the decision read can't. What ApproveTx wrote stays,
// whatever the outcome.
func (h *hold) Settle(ctx context.Context, req *rules.Request, result rules.Result) error {
	if !h.section {
		return nil
	}
	if result.Outcome != rules.Signed || req.Kind != rules.KindTransaction {
		h.session.rollback()
		return nil
	}
	if err := h.approved(ctx, req, result); err != nil {
		h.session.rollback()
		return fmt.Errorf("calling %s: %w", onApprovedTx, err)
	}
	// Also where nothing was written: what ApproveTx read must be durable before the
	// signature leaves.
	if err := h.session.commit(ctx); err != nil {
		return fmt.Errorf("keeping what the decision rests on: %w", err)
	}
	return nil
}

// approved calls OnApprovedTx with the signed transaction.
func (h *hold) approved(ctx context.Context, req *rules.Request, result rules.Result) error {
	argument, err := approvedArgument(req, result)
	if err != nil {
		return err
	}
	if err := h.ruleset.call(ctx, h.session, onApprovedTx, argument, func(goja.Value) {}); err != nil {
		return h.ruleset.explain(err)
	}
	return h.session.failure()
}

// Resume returns the hold of a request that the file referred to people, and
// that they approved: OnApprovedTx is called for it too, as in Clef, in a turn
// at the storage of its own. The hold is nil if there is nothing to call.
func (r *Ruleset) Resume(ctx context.Context, req *rules.Request, _ rules.Decision) (rules.Hold, error) {
	if req.Kind != rules.KindTransaction || !r.defines(onApprovedTx) {
		return nil, nil //nolint:nilnil // no hold is a hold of nothing
	}
	s := r.session(ctx)
	if err := s.begin(); err != nil {
		return nil, err
	}
	return &hold{ruleset: r, session: s, section: true}, nil
}
