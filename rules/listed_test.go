package rules_test

import (
	"context"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// lister is an approver that approves a listing at once, and shows some of it.
type lister struct{ shows []common.Address }

func (lister) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil //nolint:nilnil // nothing was asked
}

func (l lister) Ask(context.Context, *rules.Request, rules.Decision, rules.HoldID) (rules.Question, error) {
	return l, nil
}

func (l lister) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Approve, Listed: l.shows}, noHold{}, nil
}

type noHold struct{}

func (noHold) Drop()                                                      {}
func (noHold) Keep(context.Context) error                                 { return nil }
func (noHold) Settle(context.Context, *rules.Request, rules.Result) error { return nil }

// refers refers everything, and shows some of a listing.
type refers struct{ shows []common.Address }

func (r refers) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Refer, Listed: r.shows}, nil, nil
}

// TestListed: a listing that a rule refers shows what the rule and who approves show; nil is
// all.
func TestListed(t *testing.T) {
	t.Parallel()
	one, two, three := common.Address{1}, common.Address{2}, common.Address{3}
	for _, tt := range []struct{ rule, approver, want []common.Address }{
		{},
		{rule: []common.Address{one}, want: []common.Address{one}},
		{approver: []common.Address{two}, want: []common.Address{two}},
		{rule: []common.Address{one, two}, approver: []common.Address{three, two}, want: []common.Address{two}},
		{rule: []common.Address{one}, approver: []common.Address{two}, want: []common.Address{}},
		{rule: []common.Address{}, want: []common.Address{}},
	} {
		engine := &rules.Engine{Rules: []rules.Rule{refers{tt.rule}}, Approver: lister{tt.approver}}
		got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindList})
		if err != nil || got.Verdict != rules.Approve || (got.Listed == nil) != (tt.want == nil) || !slices.Equal(got.Listed, tt.want) {
			t.Errorf("%v and %v: %v %v, want %v; %v", tt.rule, tt.approver, got.Verdict, got.Listed, tt.want, err)
		}
	}
}
