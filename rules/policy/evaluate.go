package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// maxSeen is how many shadow rules a decision names.
const maxSeen = 8

// judgement is what a policy makes of a request.
type judgement struct {
	verdict rules.Verdict
	rule    *Rule  // that decided; nil if none did
	reason  string // for callers too
	charges []rules.Charge
	shown   []string // the maximum of each as the policy spells it
	shadow  []*Rule  // that would have matched, at most maxSeen
	asked   *subject // with what was decoded

	problem    error  // why a limit could not be measured
	unmeasured string // its id
}

// Evaluate judges a request: it approves, rejects or refers. It is an error only
// if a rule file that a rule hands over to fails, or the caller is gone.
func (p *Policy) Evaluate(ctx context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	if err := ctx.Err(); err != nil {
		return rules.Decision{Policy: p.hash}, nil, fmt.Errorf("judging by the policy: %w", err)
	}
	f := facts.Of(req, p.clock())
	j := p.judge(f)
	decision := rules.Decision{
		Verdict: j.verdict, Reason: j.reason, Charges: j.charges, Policy: p.hash, Explanation: p.summary(&j),
	}
	if j.rule == nil {
		return decision, nil, nil
	}
	decision.Rule = j.rule.ID
	if j.verdict == rules.Approve || j.verdict == rules.Refer {
		decision.OverLimit, decision.Quorums = j.rule.OverLimit, j.rule.asked
	}
	decided, hold, err := p.handOver(ctx, req, j.rule, decision)
	decided.Policy, decided.Explanation = p.hash, decision.Explanation
	return decided, hold, err
}

func (p *Policy) clock() time.Time {
	if p.now == nil {
		return time.Now()
	}
	return p.now()
}

// judge applies the policy: denials first, then the first rule that allows, its
// limits and the budgets.
func (p *Policy) judge(f *facts.Facts) judgement {
	c := p.indexes()
	s := &subject{Facts: f}
	j := judgement{verdict: rules.Reject, reason: "no rule matches", asked: s}
	j.take(c.denials, &c.denying, s)
	if j.rule != nil {
		j.reason = denied(j.rule.ID)
		return j
	}
	j.take(c.allowances, &c.allowing, s)
	if j.rule == nil {
		return j
	}
	j.verdict, j.reason = rules.Approve, ""
	if j.rule.Approvals != nil {
		j.verdict, j.reason = rules.Refer, j.rule.Approvals.Group+" must approve"
	}
	p.charge(c, s, &j)
	return j
}

// denied is the reason of a denial.
func denied(rule string) string { return "rule " + rule + " denies it" }

// take notes the first rule that matches, and those in shadow that would.
func (j *judgement) take(x *index, of *set, s *subject) {
	l := x.find(s)
	for i := l.next(s); i >= 0; i = l.next(s) {
		switch rule := of.rules[i]; {
		case !rule.Shadow:
			j.rule = rule
			l.want(of.shadow)
		case len(j.shadow) < maxSeen:
			j.shadow = append(j.shadow, rule)
		}
	}
}

// charge adds what the request counts against the limits of the rule that allows
// it, and against the budgets. What can't be measured is not allowed.
func (p *Policy) charge(c *indexes, s *subject, j *judgement) {
	for i := range j.rule.Limits {
		j.count(s, &j.rule.Limits[i], false)
	}
	budgets := c.budgets.find(s)
	for i := budgets.next(s); i >= 0; i = budgets.next(s) {
		j.count(s, &p.budget[i].Limit, true)
	}
	if j.problem != nil {
		j.charges, j.shown = nil, nil
	}
}
