package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/memory"
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

// TestExplanationsAskTheEngine: what an engine refuses whatever is used is not said to be
// approved, or referred.
func TestExplanationsAskTheEngine(t *testing.T) {
	t.Parallel()
	huge := *new(uint256.Int).Lsh(uint256.NewInt(1), 255)
	nearly, some := *new(uint256.Int).SubUint64(&huge, 1), *uint256.NewInt(1000)
	most := *new(uint256.Int).SetAllOne()
	for name, tt := range map[string]struct {
		n           int
		amount, max uint256.Int
		used        uint256.Int
		verdict     rules.Verdict
		reason      string
	}{
		"as many totals as may be":           {rules.MaxCharges, some, some, uint256.Int{}, rules.Approve, ""},
		"too many totals":                    {rules.MaxCharges + 1, some, some, uint256.Int{}, rules.Reject, "it counts for 1025 totals at once, 1025 of them of limit day, and may for 1024: ask for less at once"},
		"too many totals, and too much":      {rules.MaxCharges + 1, huge, some, uint256.Int{}, rules.Reject, "it counts for 1025 totals"},
		"so much that it counts as less":     {1, huge, some, uint256.Int{}, rules.Refer, "limit day is exceeded, and board may approve that"},
		"too much to be held twice":          {1, huge, nearly, uint256.Int{}, rules.Reject, "limit day is exceeded"},
		"as much as can be held twice":       {1, nearly, *new(uint256.Int).SubUint64(&nearly, 1), uint256.Int{}, rules.Refer, "limit day is exceeded, and board may approve that"},
		"more than all of what has no bound": {1, nearly, most, most, rules.Reject, "limit day is exceeded"},
	} {
		charges := make([]rules.Charge, tt.n)
		for i := range charges {
			charges[i] = rules.Charge{Counter: fmt.Sprint("day/", i), Limit: "day", Slot: "s", Amount: tt.amount, Cap: tt.max, Window: time.Hour}
		}
		e := Explanation{charges: charges, Limits: make([]LimitExplanation, tt.n), board: "board"}
		e.judged.verdict = rules.Approve.String()
		e = e.Reckon(func(string) uint256.Int { return tt.used })
		if e.Verdict != tt.verdict.String() || !strings.HasPrefix(e.Reason, tt.reason) {
			t.Errorf("%s: %s, %s", name, e.Verdict, e.Reason)
		}
		engine := &rules.Engine{Rules: []rules.Rule{&answering{decision: rules.Decision{
			Verdict: rules.Approve, Rule: "pay", Charges: charges, OverLimit: &rules.Quorum{Group: "board"},
		}}}, Ledger: &usedBefore{memory.NewLedger(nil), tt.used}, Approver: referring{}}
		decided, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
		if err != nil || decided.Verdict != tt.verdict {
			t.Errorf("%s: the engine: %s, %s, %v", name, decided.Verdict, decided.Reason, err)
		}
	}
}

// usedBefore is a ledger that has counted something of each total.
type usedBefore struct {
	rules.Ledger
	used uint256.Int
}

func (u *usedBefore) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	for i := range charges {
		if u.used.IsZero() || len(charges) > 1 {
			break
		}
		c := charges[i]
		c.Slot, c.Amount, c.Cap = "before", u.used, *new(uint256.Int).SetAllOne()
		if _, err := u.Ledger.Hold(ctx, []rules.Charge{c}); err != nil {
			return 0, err
		}
	}
	return u.Ledger.Hold(ctx, charges)
}

// referring are people who think.
type referring struct{}

func (referring) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil //nolint:nilnil // nothing was asked
}

func (referring) Ask(context.Context, *rules.Request, rules.Decision, rules.HoldID) (rules.Question, error) {
	return referring{}, nil
}

func (referring) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Refer}, nil, nil
}
