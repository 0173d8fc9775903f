package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

var (
	_ rules.Rule    = (*Policy)(nil)
	_ rules.Resumer = (*Policy)(nil)
)

// Scripts returns the names of the rule files that rules of the policy hand over
// to, each with the id of the first that does.
func (p *Policy) Scripts() map[string]string {
	found := make(map[string]string)
	for i := range p.rules {
		rule := &p.rules[i]
		if _, known := found[rule.Script]; rule.Script != "" && !known {
			found[rule.Script] = rule.ID
		}
	}
	return found
}

// WithScripts returns the policy with the rule files that its rules hand over
// to, by the names they have in it. Each must be there, and no other.
func (p *Policy) WithScripts(scripts map[string]rules.Rule) (*Policy, error) {
	wanted := p.Scripts()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if scripts[name] == nil {
			return nil, fmt.Errorf("rule %s hands over to %s, which is not there", wanted[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		if wanted[name] == "" {
			return nil, fmt.Errorf("no rule hands over to %s by js", name)
		}
	}
	with := *p
	with.scripts = maps.Clone(scripts)
	return &with, nil
}

// handOver asks the rule file of the rule that allows a request, if it has one.
// The file can only narrow: what it does not approve is not approved, and what the
// rule counts and wants approved by people stays as it is.
func (p *Policy) handOver(ctx context.Context, req *rules.Request, rule *Rule, decision rules.Decision) (rules.Decision, rules.Hold, error) {
	if rule.Script == "" || decision.Verdict != rules.Approve && decision.Verdict != rules.Refer {
		return decision, nil, nil
	}
	failed := rules.Decision{Rule: rule.ID, Policy: decision.Policy, Explanation: decision.Explanation}
	script := p.scripts[rule.Script]
	if script == nil {
		return failed, nil, fmt.Errorf("rule %s hands over to %s, which is not loaded", rule.ID, rule.Script)
	}
	answer, hold, err := script.Evaluate(ctx, req)
	if err != nil {
		return failed, hold, fmt.Errorf("rule %s hands over to %s: %w", rule.ID, rule.Script, err)
	}
	switch answer.Verdict {
	case rules.Approve:
		decision.Listed = answer.Listed
		return decision, hold, nil
	case rules.Reject, rules.Refer:
		decision.Verdict, decision.FileRefers = answer.Verdict, answer.Verdict == rules.Refer
		decision.Reason = handedOver(rule, answer)
		if answer.Verdict == rules.Reject {
			decision.Charges = nil
		}
		return decision, hold, nil
	default:
		decision.Verdict, decision.Charges = rules.Reject, nil
		decision.Reason = undecided(rule)
		return decision, hold, nil
	}
}

// undecided says that a rule file has answered nothing.
func undecided(rule *Rule) string {
	return fmt.Sprintf("rule %s hands over to %s, which does not decide about it", rule.ID, rule.Script)
}

// handedOver says what a rule file answered.
func handedOver(rule *Rule, answer rules.Decision) string {
	verb := "rejects"
	if answer.Verdict == rules.Refer {
		verb = "refers"
	}
	text := fmt.Sprintf("rule %s hands over to %s, which %s", rule.ID, rule.Script, verb)
	if answer.Reason != "" {
		text += ": " + answer.Reason
	}
	return text
}

// Resume tells the rule file of a rule that people have approved what the rule or
// the file referred to them. The request is judged anew: time has passed. What is
// rejected by now is an error, and so is what another rule decides, is for other people
// or counts against other limits: people have not approved that.
func (p *Policy) Resume(ctx context.Context, req *rules.Request, said rules.Decision) (rules.Hold, error) {
	j := p.judge(facts.Of(req, p.clock()))
	if j.rule == nil || j.verdict != rules.Approve && j.verdict != rules.Refer {
		return nil, fmt.Errorf("the policy rejects by now what people have approved: %s", j.reason)
	}
	if what := j.differs(&said); what != "" {
		return nil, &rules.ChangedError{What: what}
	}
	if j.rule.Script == "" {
		return nil, nil
	}
	script := p.scripts[j.rule.Script]
	if script == nil {
		return nil, fmt.Errorf("rule %s hands over to %s, which is not loaded", j.rule.ID, j.rule.Script)
	}
	if !said.FileRefers {
		return askAgain(ctx, req, j.rule, script, said)
	}
	if resumer, ok := script.(rules.Resumer); ok {
		return resumer.Resume(ctx, req, said)
	}
	return nil, nil
}

// askAgain asks a rule file that has approved what its rule, or a limit, has referred to
// people. Nothing of what it wrote then was kept, and others may have been signed since: it
// counts, and holds its own limits, by what it says now.
func askAgain(ctx context.Context, req *rules.Request, rule *Rule, script rules.Rule, said rules.Decision) (rules.Hold, error) {
	answer, hold, err := script.Evaluate(ctx, req)
	what := ""
	switch {
	case err != nil:
		err = fmt.Errorf("rule %s hands over to %s: %w", rule.ID, rule.Script, err)
	case answer.Verdict == rules.Refer || answer.Verdict == rules.Reject:
		what = handedOver(rule, answer)
	case answer.Verdict != rules.Approve:
		what = undecided(rule)
	case (answer.Listed == nil) != (said.Listed == nil) || !slices.Equal(answer.Listed, said.Listed):
		what = fmt.Sprintf("rule %s hands over to %s, which lists other accounts", rule.ID, rule.Script)
	default:
		return hold, nil
	}
	if hold != nil {
		hold.Drop()
	}
	if err == nil {
		err = &rules.ChangedError{What: what}
	}
	return nil, err
}

// differs says in what a judgement is another than a decision that was made before, ""
// if in nothing that people approved.
func (j *judgement) differs(said *rules.Decision) string {
	switch {
	case j.rule.ID != said.Rule:
		return fmt.Sprintf("by rule %s, and not by %s", j.rule.ID, said.Rule)
	case !slices.EqualFunc(j.rule.asked, said.Quorums, (*rules.Quorum).Same), !j.rule.OverLimit.Same(said.OverLimit):
		return fmt.Sprintf("rule %s names other people", j.rule.ID)
	case !rules.SameCharges(said.Charges, j.charges):
		return "it counts against other limits"
	default:
		return ""
	}
}
