package policy

import (
	"strings"
	"testing"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
)

// TestExplanationsHaveRoom: what a limit has no room for is not said to be approved.
func TestExplanationsHaveRoom(t *testing.T) {
	t.Parallel()
	match := Match{Request: []predicate{&chance{name: "yes", odds: [3]uint64{0, 0, 100}}}}
	one := func(id string, most uint64) limit.Limit {
		return limit.Limit{ID: id, Measure: limit.Signatures, Max: *uint256.NewInt(most)}
	}
	board, finance := &rules.Quorum{Group: "board"}, &rules.Quorum{Group: "finance"}
	with := func(rule Rule, budgets ...limit.Limit) *Policy {
		rule.ID, rule.Effect, rule.Match = "pay", Allow, match
		p := &Policy{rules: []Rule{rule}}
		for _, b := range budgets {
			p.budget = append(p.budget, Budget{Match: match, Limit: b})
		}
		return p
	}
	for name, tt := range map[string]struct {
		policy          *Policy
		used            uint64
		verdict, reason string
		over            bool
	}{
		"room":                       {with(Rule{Limits: []limit.Limit{one("day", 2)}}), 1, "approve", "", false},
		"none at all":                {with(Rule{Limits: []limit.Limit{one("day", 0)}}), 0, "reject", "limit day is exceeded", true},
		"none left":                  {with(Rule{Limits: []limit.Limit{one("day", 2)}}), 2, "reject", "limit day is exceeded, unless the request replaces or repeats what counts already", true},
		"people may":                 {with(Rule{Limits: []limit.Limit{one("day", 0)}, OverLimit: board}), 0, "refer", "limit day is exceeded, and board may approve that", true},
		"people must, and others":    {with(Rule{Limits: []limit.Limit{one("day", 0)}, OverLimit: board, Approvals: finance}), 0, "refer", "finance must approve; limit day is exceeded, and board may approve that", true},
		"people must, and may not":   {with(Rule{Limits: []limit.Limit{one("day", 0)}, Approvals: finance}), 0, "reject", "limit day is exceeded", true},
		"a budget":                   {with(Rule{OverLimit: board}, one("all", 0)), 0, "reject", "limit all is exceeded", true},
		"a budget besides a limit":   {with(Rule{Limits: []limit.Limit{one("day", 0)}, OverLimit: board}, one("all", 0)), 0, "reject", "limit all is exceeded", true},
		"a budget with room for one": {with(Rule{OverLimit: board}, one("all", 1)), 0, "approve", "", false},
		"without limits":             {with(Rule{Approvals: finance}), 0, "refer", "finance must approve", false},
	} {
		e := tt.policy.Explain(&rules.Request{Kind: rules.KindText}, exampleAt)
		for range 2 { // again is no different
			e = e.Reckon(func(string) uint256.Int { return *uint256.NewInt(tt.used) })
		}
		if over := strings.Contains(e.String(), ", and has no room for that"); e.Verdict != tt.verdict || e.Reason != tt.reason || over != tt.over {
			t.Errorf("%s: %s", name, e)
		}
	}
	e := with(Rule{Limits: []limit.Limit{one("day", 0)}}).Explain(&rules.Request{Kind: rules.KindText}, exampleAt)
	if e.Verdict != "reject" || !e.Limits[0].Over {
		t.Errorf("without totals: %s", e)
	}
}
