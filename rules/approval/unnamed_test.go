package approval_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/policy"
)

// script is a rule file that always answers the same.
type script struct{ says rules.Decision }

func (s script) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return s.says, nil, nil
}

// scripted puts a policy in force whose rules hand over to a.js.
func (h *house) scripted(t *testing.T, text string, says rules.Decision) *rules.Engine {
	t.Helper()
	p, err := policy.Load("p.yaml", []byte("version: 1\n"+text), policy.Options{Now: h.clock.Now})
	if err == nil {
		p, err = p.WithScripts(map[string]rules.Rule{"a.js": script{says}})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.policy = p.Hash()
	return &rules.Engine{Rules: []rules.Rule{p}, Approver: h.Queue, Ledger: h.ledger}
}

const manual = `approvals:
  board: {threshold: 1, of: [bob], wait: 0s}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: pay, effect: allow, match: {principal: [local], to: friends, plain: true}, js: a.js, over_limit: {approvals: board}, limits: [{id: day, measure: value, max: "1000 wei", window: 1h}]}
`

// TestUnnamedApproveBesides: what a rule file leaves to people and passes a limit is for
// those of approvals.default and those of over_limit.
func TestUnnamedApproveBesides(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *approval.Config) {
		c.Default = &rules.Quorum{Group: "compliance", Threshold: 2, Of: []string{"dora", "emil"}, Expires: time.Hour}
	})
	engine := h.scripted(t, manual, rules.Decision{Verdict: rules.Refer, Reason: "Manual"})
	if within := decide(t, engine, payment(999)); !strings.Contains(within.Reason, "waits for 2 of compliance until") {
		t.Errorf("within the limit: %q", within.Reason)
	}
	over := decide(t, engine, payment(1001))
	if over.Verdict != rules.Refer || !strings.Contains(over.Reason, "waits for 2 of compliance and 1 of board until") {
		t.Fatalf("%v %q", over.Verdict, over.Reason)
	}
	for _, person := range []string{"bob", "dora", "emil"} {
		got := decide(t, engine, payment(1001))
		if got.Verdict != rules.Refer || got.Ticket != over.Ticket {
			t.Errorf("before %s: %v %q", person, got.Verdict, got.Reason)
		}
		if err := h.vote(t, over.Ticket, person, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := decide(t, engine, payment(1001)); got.Verdict != rules.Approve || got.Ticket != over.Ticket {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
}

// TestUnnamedAndNobody: where approvals.default names nobody, those of over_limit do not
// stand for them.
func TestUnnamedAndNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	engine := h.scripted(t, manual, rules.Decision{Verdict: rules.Refer, Reason: "Manual"})
	for _, wei := range []int64{999, 1001} {
		if got, err := engine.Decide(t.Context(), payment(wei)); err == nil || !strings.Contains(err.Error(), "approvals.default") {
			t.Errorf("%d wei: %v %q, %v", wei, got.Verdict, got.Reason, err)
		}
	}
	if usage, err := h.ledger.Usage(t.Context(), "day/value"); err != nil || !usage.Used.IsZero() {
		t.Errorf("%s are used; %v", usage.Used.Dec(), err)
	}
}

// TestTicketOfTheBoardAlone: a ticket that an earlier build has asked those of over_limit
// alone is not taken for one that asks all.
func TestTicketOfTheBoardAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *approval.Config) {
		c.Default = &rules.Quorum{Group: "compliance", Threshold: 1, Of: []string{"dora"}, Expires: time.Hour}
	})
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"bob"}, Expires: time.Hour}
	old := h.ask(t, payment(7), referral(board))
	if err := h.vote(t, old.Content.ID, "bob", true); err != nil {
		t.Fatal(err)
	}
	now := referral(board)
	now.Unnamed = true
	if ticket := h.ask(t, payment(7), now); ticket.Content.ID == old.Content.ID || len(ticket.Content.Quorums) != 2 {
		t.Errorf("it asks %v", ticket.Content.Quorums)
	}
}
