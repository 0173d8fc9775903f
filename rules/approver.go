package rules

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/ethereum/go-ethereum/common"
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

// ChangedError is a rule that decides otherwise by now than when people were asked: what
// they approved is not what they would be asked.
type ChangedError struct{ What string } // that is otherwise, for the operator

// Error says what is otherwise.
func (e *ChangedError) Error() string {
	return "it is decided otherwise by now than when people were asked: " + e.What
}

// resumption is what is resumed when people have approved.
type resumption struct {
	rule Rule // that referred the request
	req  *Request
	said Decision // by the rule, before people were asked
}

// await waits for people, and tells the rule that referred the request when they
// approve. The decision keeps what the rule said of itself.
func await(ctx context.Context, question Question, then resumption, referral Decision) (Decision, Hold, error) {
	resolved, hold, err := question.Await(ctx)
	resolved.Policy, resolved.Explanation = referral.Policy, referral.Explanation
	resolved.Listed = inBoth(referral.Listed, resolved.Listed)
	switch {
	case err != nil || resolved.Verdict != Approve:
		drop(hold)
		return resolved, nil, err
	case hold == nil:
		return referral.refused(), nil, errors.New("people approved, and nothing says that it was used")
	}
	more, err := then.resume(ctx)
	var changed *ChangedError
	switch {
	case errors.As(err, &changed):
		drop(hold)
		refusal := resolved.refused().because(changed)
		refusal.Verdict, refusal.Ticket, refusal.Reason = Reject, resolved.Ticket, "it is decided otherwise by now than when people were asked: make the request again"
		return refusal, nil, nil
	case err != nil:
		drop(hold)
		return referral.refused(), nil, fmt.Errorf("resuming the rule that referred the request: %w", err)
	}
	return resolved, joined(hold, more), nil
}

// inBoth returns the accounts that two listings show; nil is all of them.
func inBoth(a, b []common.Address) []common.Address {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both, second := make([]common.Address, 0, min(len(a), len(b))), make(map[common.Address]bool, len(b))
	for _, address := range b {
		second[address] = true
	}
	for _, address := range a {
		if second[address] {
			both = append(both, address)
		}
	}
	return both
}

// resume resumes the rule, if it wants that. One that panics keeps nothing aside.
func (r resumption) resume(ctx context.Context) (hold Hold, err error) {
	resumer, ok := r.rule.(Resumer)
	if !ok {
		return nil, nil //nolint:nilnil // no hold is a hold of nothing
	}
	defer func() {
		if crash := recover(); crash != nil {
			hold, err = nil, fmt.Errorf("a rule crashed: %v\n%s", crash, debug.Stack())
		}
	}()
	return resumer.Resume(ctx, r.req, r.said)
}
