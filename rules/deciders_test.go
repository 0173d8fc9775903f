package rules_test

import (
	"testing"

	"github.com/kvclef/kvclef/rules"
)

var kinds = []rules.Kind{
	rules.KindInvalid, rules.KindList, rules.KindNewAccount, rules.KindTransaction, rules.KindText,
	rules.KindData, rules.KindTypedData, rules.KindSafe, rules.KindBlockPayload,
}

func TestNoRulesApprovesListingsAlone(t *testing.T) {
	for _, kind := range kinds {
		decision, err := rules.NoRules{}.Decide(t.Context(), &rules.Request{Kind: kind})
		want := rules.Reject
		if kind == rules.KindList {
			want = rules.Approve
		}
		if err != nil || decision.Verdict != want || decision.Rule != rules.RuleNoRules || decision.Reason == "" {
			t.Errorf("%v: %+v, %v; want %v", kind, decision, err, want)
		}
	}
}

func TestApproveAllNeedsAKind(t *testing.T) {
	for _, kind := range kinds {
		decision, err := rules.ApproveAll{}.Decide(t.Context(), &rules.Request{Kind: kind})
		want := rules.Approve
		if kind == rules.KindInvalid {
			want = rules.Reject
		}
		if err != nil || decision.Verdict != want {
			t.Errorf("%v: %v, %v; want %v", kind, decision.Verdict, err, want)
		}
	}
	if decision, err := (rules.ApproveAll{}).Decide(t.Context(), &rules.Request{Kind: rules.KindBlockPayload + 1}); err != nil || decision.Verdict == rules.Approve {
		t.Errorf("a kind that nobody knows is approved: %+v, %v", decision, err)
	}
}

// TestZeroValuesRefuse: what nobody set decides nothing and releases nothing.
func TestZeroValuesRefuse(t *testing.T) {
	var (
		decision rules.Decision
		outcome  rules.Outcome
		request  rules.Request
	)
	if decision.Verdict == rules.Approve || outcome != rules.Unknown || request.Kind.Signs() {
		t.Errorf("zero values: verdict %v, outcome %v, kind %v", decision.Verdict, outcome, request.Kind)
	}
	for _, known := range []rules.Kind{rules.KindTransaction, rules.KindText, rules.KindData, rules.KindTypedData, rules.KindSafe, rules.KindBlockPayload} {
		if !known.Signs() {
			t.Errorf("%v uses a key", known)
		}
	}
}
