package rules

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Approver asks people about what rules refer to them. Implementations are safe
// for concurrent use.
type Approver interface {
	// Asked returns what is put to people already about an equal request, whose
	// charges are held; nil if nothing is.
	Asked(ctx context.Context, req *Request, decision Decision) (Question, error)

	// Ask puts a referral to people. The hold of limits, 0 if there is none, is the
	// approver's from here on, with an error too: it gives it back when people don't
	// approve, and settles it when they do.
	Ask(ctx context.Context, req *Request, referral Decision, limits HoldID) (Question, error)
}

// Question is a referral that was put to people.
type Question interface {
	// Await returns what they decide: Approve, with a hold that makes use of it;
	// Reject; or Refer, with the reason, if they have not decided and the caller
	// should come back. The hold is not nil if they approve, and nil if they don't.
	Await(ctx context.Context) (Decision, Hold, error)
}

// mayAsk reports whether people may have a say in a decision.
func (e *Engine) mayAsk(decision Decision) bool {
	return e.Approver != nil && (decision.Verdict == Refer || decision.Verdict == Approve && decision.OverLimit != nil)
}

// asked returns what is put to people already about an equal request.
func (e *Engine) asked(ctx context.Context, req *Request, decision Decision) (Question, error) {
	if !e.mayAsk(decision) {
		return nil, nil //nolint:nilnil // nothing was asked
	}
	question, err := e.Approver.Asked(ctx, req, decision)
	if err != nil {
		return nil, fmt.Errorf("looking for what people were asked: %w", err)
	}
	return question, nil
}

// await waits for people, and tells the rule that referred the request when they
// approve. The decision keeps what the rule said of itself.
func await(ctx context.Context, question Question, rule Rule, req *Request, referral Decision) (Decision, Hold, error) {
	resolved, hold, err := question.Await(ctx)
	resolved.Policy, resolved.Explanation = referral.Policy, referral.Explanation
	switch {
	case err != nil || resolved.Verdict != Approve:
		drop(hold)
		return resolved, nil, err
	case hold == nil:
		return referral.refused(), nil, errors.New("people approved, and nothing says that it was used")
	}
	resumer, ok := rule.(Resumer)
	if !ok {
		return resolved, hold, nil
	}
	more, err := resume(ctx, resumer, req)
	if err != nil {
		drop(hold)
		return referral.refused(), nil, fmt.Errorf("resuming the rule that referred the request: %w", err)
	}
	return resolved, joined(hold, more), nil
}

// resume resumes a rule. One that panics keeps nothing aside.
func resume(ctx context.Context, rule Resumer, req *Request) (hold Hold, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			hold, err = nil, fmt.Errorf("a rule crashed: %v\n%s", crash, debug.Stack())
		}
	}()
	return rule.Resume(ctx, req)
}
