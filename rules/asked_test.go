package rules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// askedBefore are people who were asked about an equal request already.
type askedBefore struct {
	people
	found error // of looking for it
}

func (a askedBefore) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	if a.found != nil {
		return nil, a.found
	}
	return answer{people: a.people}, nil
}

// TestAskedBefore: what people were asked before is not counted again; and where it
// can't be found whether they were, nothing is approved or counted.
func TestAskedBefore(t *testing.T) {
	for name, test := range map[string]struct {
		rule   scriptedRule
		people askedBefore
		want   rules.Verdict
		fails  bool
		log    string
	}{
		"rejected":           {rule: scriptedRule{verdict: rules.Refer}, people: askedBefore{people: people{verdict: rules.Reject}}, want: rules.Reject, log: "drop"},
		"approved":           {rule: scriptedRule{verdict: rules.Refer}, people: askedBefore{people: people{verdict: rules.Approve}}, want: rules.Approve, log: "drop"},
		"over a limit":       {rule: scriptedRule{verdict: rules.Approve, board: board()}, people: askedBefore{people: people{verdict: rules.Approve}}, want: rules.Approve, log: "drop"},
		"unknown":            {rule: scriptedRule{verdict: rules.Refer}, people: askedBefore{found: errBoom}, fails: true, log: "drop"},
		"unknown, with room": {rule: scriptedRule{verdict: rules.Approve, board: board()}, people: askedBefore{found: errBoom}, fails: true, log: "drop"},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			test.rule.charges, test.rule.log = charge(), &log
			ledger := scriptedLedger{log: &log}
			test.people.ledger = ledger
			engine := &rules.Engine{Rules: []rules.Rule{test.rule}, Ledger: ledger, Approver: test.people}
			got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
			if test.fails != (err != nil) || got.Verdict != test.want {
				t.Errorf("%v, %v; want %v", got.Verdict, err, test.want)
			}
			if got := strings.Join(log, ", "); got != test.log {
				t.Errorf("%s, want %s", got, test.log)
			}
		})
	}
}

// unusable are people who approve, with an approval that can't be used.
type unusable struct {
	people
	hold rules.Hold // nil: none at all
}

func (u unusable) Ask(context.Context, *rules.Request, rules.Decision, rules.HoldID) (rules.Question, error) {
	return u, nil
}

func (u unusable) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Approve}, u.hold, nil
}

// TestUnusableApproval: an approval whose use can't be made durable, or of which nothing
// says that it was used, approves nothing, and the rule drops what it keeps aside.
func TestUnusableApproval(t *testing.T) {
	for name, test := range map[string]struct {
		keeps bool
		log   string
	}{
		"no hold":  {false, "drop"},
		"not kept": {true, "drop, resume, keep, drop"},
	} {
		var log []string
		people := unusable{}
		if test.keeps {
			people.hold = scriptedHold{keep: errBoom, log: &log}
		}
		engine := &rules.Engine{Rules: []rules.Rule{resumedRule{scriptedRule{verdict: rules.Refer, log: &log}}}, Approver: people}
		req := &rules.Request{Kind: rules.KindText}
		got, err := engine.Decide(t.Context(), req)
		if err == nil {
			t.Errorf("%s: %+v", name, got)
		}
		if engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}) == nil {
			t.Errorf("%s: settled", name)
		}
		if got := strings.Join(log, ", "); got != test.log {
			t.Errorf("%s: %s, want %s", name, got, test.log)
		}
	}
}
