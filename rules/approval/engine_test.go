package approval_test

import (
	"context"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// crashing is a rule that refers, and panics when it is told that people have approved,
// or when what it keeps aside is to be durable.
type crashing struct {
	decision        rules.Decision
	resume, keeping bool
}

func (c *crashing) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return c.decision, nil, nil
}

func (c *crashing) Resume(context.Context, *rules.Request, rules.Decision) (rules.Hold, error) {
	if c.resume {
		panic("boom")
	}
	return c, nil
}

func (c *crashing) Drop() {}

func (c *crashing) Keep(context.Context) error {
	if c.keeping {
		panic("boom")
	}
	return nil
}

func (c *crashing) Settle(context.Context, *rules.Request, rules.Result) error { return nil }

// TestCrashesLeaveTheApproval: a rule that panics between the approval and the signature
// signs nothing, and leaves the approval to be used.
func TestCrashesLeaveTheApproval(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	rule := &crashing{decision: referral(finance())}
	engine := &rules.Engine{Rules: []rules.Rule{rule}, Approver: h.Queue}
	pending, err := engine.Decide(t.Context(), payment(5))
	if err != nil || pending.Ticket == "" {
		t.Fatal(pending, err)
	}
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, pending.Ticket, person, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range []*bool{&rule.resume, &rule.keeping} {
		*where = true
		if decision, err := engine.Decide(t.Context(), payment(5)); err == nil {
			t.Errorf("approved by a rule that crashed: %+v", decision)
		}
		*where = false
	}
	decision, err := engine.Decide(t.Context(), payment(5))
	if err != nil || decision.Verdict != rules.Approve {
		t.Fatalf("%+v, %v", decision, err)
	}
	if err := engine.Settle(t.Context(), payment(5), decision, rules.Result{Outcome: rules.Signed}); err != nil {
		t.Error(err)
	}
}
