package rules_test

import (
	"context"
	"sync"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// namedRule approves in its own name, and is asked again while it does.
type namedRule struct {
	name    string
	entered func() // nil: nobody wants to know
}

func (r namedRule) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	if r.entered != nil {
		r.entered()
	}
	return rules.Decision{Verdict: rules.Approve, Rule: r.name}, nil, nil
}

// TestExchange: a request that is being judged ends under the rule that judges
// it, and is settled; the next one is judged by the new rule.
func TestExchange(t *testing.T) {
	var live rules.Exchangeable
	engine := &rules.Engine{Rules: []rules.Rule{&live}}
	live.Exchange(namedRule{"old", func() { live.Exchange(namedRule{name: "new"}) }})
	request := &rules.Request{Kind: rules.KindText}
	for _, want := range []string{"old", "new"} {
		decision, err := engine.Decide(t.Context(), request)
		if err != nil || decision.Rule != want || decision.Verdict != rules.Approve {
			t.Errorf("got %+v, %v; want %s", decision, err, want)
		}
		if err := engine.Settle(t.Context(), request, decision, rules.Result{Outcome: rules.Signed}); err != nil {
			t.Errorf("settling: %v", err)
		}
	}

	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if i%10 == 0 {
				live.Exchange(namedRule{name: "newer"})
			}
			if decision, err := engine.Decide(t.Context(), request); err != nil || decision.Verdict != rules.Approve {
				t.Errorf("got %+v, %v", decision, err)
			}
		})
	}
	all.Wait()
}
