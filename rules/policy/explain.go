package policy

import (
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// Explanation says why a policy decides as it does. It is for operators and
// never for callers: it shows what the policy allows.
type Explanation struct {
	Policy  common.Hash `json:"policy"`
	Verdict string      `json:"verdict"` // "approve", "reject" or "refer"
	Rule    string      `json:"rule,omitempty"`
	Line    int         `json:"line,omitempty"` // of the rule
	Reason  string      `json:"reason,omitempty"`
	Script  string      `json:"js,omitempty"` // the rule file that may still reject: it is not asked here

	Rules   []RuleExplanation  `json:"rules"`
	Budgets []RuleExplanation  `json:"budgets,omitempty"`
	Limits  []LimitExplanation `json:"limits,omitempty"` // what the request counts

	// Nearest is the rule that allows, of those that do not match, of which the
	// fewest words fail, and neither kind nor method if there is one; "" if a rule decided.
	Nearest string `json:"nearest,omitempty"`

	charges []rules.Charge                   // of Limits, in their order
	board   string                           // the group that may approve what passes a limit; "" if nobody may
	judged  struct{ verdict, reason string } // without limits
}

// RuleExplanation says whether a rule or a budget matches, and if not why.
type RuleExplanation struct {
	ID      string `json:"id"`
	Line    int    `json:"line,omitempty"`
	Effect  string `json:"effect"` // "allow", "deny" or "budget"
	Shadow  bool   `json:"shadow,omitempty"`
	Matched bool   `json:"matched"`

	// Finding is the first word that fails, or what makes a rule match that is
	// not certain to; nil if it matches for certain.
	Finding *Finding `json:"finding,omitempty"`

	failing int // words that fail
}

// Finding is a word that is not true.
type Finding struct {
	Word    string `json:"word"` // such as "to", or "inner[0].call"; "" for the data of an action as a whole
	Line    int    `json:"line,omitempty"`
	Action  string `json:"action,omitempty"` // where the action stands, such as "data[1]"; "" outermost or none
	Want    string `json:"want,omitempty"`
	Got     string `json:"got,omitempty"`
	Unknown bool   `json:"unknown,omitempty"` // it can't be known
}

// LimitExplanation is what a request counts against a limit, in its smallest
// unit, decimal.
type LimitExplanation struct {
	ID      string `json:"id"`
	Counter string `json:"counter,omitempty"`
	Amount  string `json:"amount,omitempty"`
	Max     string `json:"max,omitempty"`
	Window  string `json:"window,omitempty"`
	Shown   string `json:"shown,omitempty"` // the maximum as the policy spells it
	Budget  bool   `json:"budget,omitempty"`
	Over    bool   `json:"over,omitempty"`  // it has no room for that
	Error   string `json:"error,omitempty"` // why it can't be measured: then nothing is approved
}

// Explain says rule by rule what the policy makes of a request at a time. It
// counts nothing, and asks no rule file. What passes a limit by itself alone is not
// approved; see [Explanation.Reckon] for what is used already.
func (p *Policy) Explain(req *rules.Request, at time.Time) Explanation {
	f := facts.Of(req, at)
	j := p.judge(f)
	e := Explanation{Policy: p.hash, Verdict: j.verdict.String(), Reason: j.reason, Rules: []RuleExplanation{}}
	for i := range p.rules {
		e.Rules = append(e.Rules, explainRule(&p.rules[i], f))
	}
	for i := range p.budget {
		e.Budgets = append(e.Budgets, explainBudget(&p.budget[i], f))
	}
	if j.rule == nil {
		e.Nearest = nearest(e.Rules)
		return e
	}
	e.Rule, e.Line, e.Script = j.rule.ID, j.rule.Line, j.rule.Script
	for i := range j.charges {
		e.Limits = append(e.Limits, explainCharge(&j, i))
	}
	e.charges, e.judged.verdict, e.judged.reason = j.charges, e.Verdict, e.Reason
	if over := j.rule.OverLimit; over != nil {
		e.board = over.Group
	}
	if j.problem != nil {
		e.Limits = append(e.Limits, LimitExplanation{ID: j.unmeasured, Error: j.problem.Error()})
	}
	return e.Reckon(nothingUsed)
}

func explainRule(rule *Rule, f *facts.Facts) RuleExplanation {
	e := RuleExplanation{ID: rule.ID, Line: rule.Line, Effect: "deny", Shadow: rule.Shadow}
	e.Matched, e.Finding = examine(rule, &subject{Facts: f})
	if rule.Effect == Allow {
		e.Effect = "allow"
		e.failing = failing(&rule.Match, &subject{Facts: f}, math.MaxInt, &answers{})
	}
	return e
}

// examine reports whether a rule matches, with the finding of its explanation.
func examine(rule *Rule, s *subject) (bool, *Finding) {
	x := examination{subject: *s}
	if rule.Effect == Allow {
		matched := x.covers(&rule.Match)
		return matched, x.finding
	}
	matched := x.holds(&rule.Match)
	return matched, x.finding
}

func explainBudget(budget *Budget, f *facts.Facts) RuleExplanation {
	x := examination{subject: subject{Facts: f}}
	matched := x.holds(&budget.Match)
	return RuleExplanation{ID: budget.Limit.ID, Effect: "budget", Matched: matched, Finding: x.finding}
}

func explainCharge(j *judgement, i int) LimitExplanation {
	charge := &j.charges[i]
	return LimitExplanation{
		Shown: j.shown[i],
		ID:    charge.Limit, Counter: charge.Counter, Amount: charge.Amount.Dec(), Max: charge.Cap.Dec(),
		Window: spelled(charge.Window), Budget: charge.Firm,
	}
}

// nearest is the rule that is nearest to allowing.
func nearest(all []RuleExplanation) string {
	id, fewest := "", 0
	for i := range all {
		rule := &all[i]
		if rule.Effect == "allow" && !rule.Shadow && !rule.Matched && (id == "" || rule.failing < fewest) {
			id, fewest = rule.ID, rule.failing
		}
	}
	return id
}
