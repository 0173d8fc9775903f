package policy

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

const (
	maxTold    = 160 // bytes of what is wanted, and of what was got
	maxNearest = 3   // rules in the explanation of a decision
	maxAsked   = 64  // rules that are asked for it
)

// String explains for a terminal. Texts of callers in it are quoted.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", e.Verdict)
	if e.Rule != "" {
		fmt.Fprintf(&b, " by rule %s", named(e.Rule, e.Line))
	}
	if e.Reason != "" && e.Reason != denied(e.Rule) {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	b.WriteString("\n")
	if e.Script != "" {
		fmt.Fprintf(&b, "  if %s agrees, which was not asked\n", e.Script)
	}
	if e.Nearest != "" {
		for i := range e.Rules {
			if e.Rules[i].ID == e.Nearest {
				fmt.Fprintf(&b, "  nearest: %s: %s\n", named(e.Nearest, e.Rules[i].Line), e.Rules[i].Finding)
			}
		}
	}
	for _, group := range []struct {
		title string
		rules []RuleExplanation
	}{{"rules", e.Rules}, {"budgets", e.Budgets}} {
		if len(group.rules) > 0 {
			fmt.Fprintf(&b, "\n%s\n", group.title)
		}
		for i := range group.rules {
			fmt.Fprintf(&b, "  %s\n", group.rules[i].text())
		}
	}
	if len(e.Limits) > 0 {
		b.WriteString("\nlimits\n")
	}
	for _, l := range e.Limits {
		fmt.Fprintf(&b, "  %s\n", l.text())
	}
	fmt.Fprintf(&b, "\npolicy %s\n", e.Policy.Hex())
	return b.String()
}

// text is the line of a rule.
func (e *RuleExplanation) text() string {
	text := fmt.Sprintf("%-6s %s", e.Effect, named(e.ID, e.Line))
	if e.Shadow {
		text += ", in shadow"
	}
	switch {
	case e.Matched && e.Finding == nil:
		return text + ": matches"
	case e.Matched:
		return text + ": matches, as it can't be ruled out: " + e.Finding.String()
	default:
		return text + ": " + e.Finding.String()
	}
}

// String says what a word wants and what it got.
func (f *Finding) String() string {
	if f == nil {
		return "does not match"
	}
	var b strings.Builder
	if f.Word != "" {
		b.WriteString(f.Word)
		if f.Line > 0 {
			fmt.Fprintf(&b, " (line %d)", f.Line)
		}
		b.WriteString(" ")
	}
	fmt.Fprintf(&b, "wants %s", f.Want)
	if f.Got == "" {
		b.WriteString(", which does not apply")
	} else {
		fmt.Fprintf(&b, ", got %s", f.Got)
	}
	if f.Action != "" {
		fmt.Fprintf(&b, " in %s", f.Action)
	}
	if f.Unknown {
		b.WriteString(" (unknown)")
	}
	return b.String()
}

// text is the line of a limit.
func (l *LimitExplanation) text() string {
	kind := "limit"
	if l.Budget {
		kind = "budget"
	}
	if l.Error != "" {
		return l.Error
	}
	most := l.Max + " in " + l.Window
	if l.Shown != "" && l.Shown != most {
		most = l.Max + " (" + l.Shown + ")"
	}
	return kind + " " + l.ID + " counts " + l.Amount + " of " + most + ", as " + l.Counter
}

// named is a rule with its place.
func named(id string, line int) string {
	if line == 0 {
		return id
	}
	return fmt.Sprintf("%s (line %d)", id, line)
}

// spelled is a time span for people: whole days as days.
func spelled(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// bounded cuts a text for an explanation.
func bounded(text string) string {
	if len(text) <= maxTold {
		return text
	}
	cut := maxTold - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// shownAction is a call for people.
func shownAction(a *facts.Action) string {
	name := a.Name
	switch {
	case a.Call != nil && a.Call.Method != "":
		name = a.Call.Method
	case name == "" && len(a.Data) >= 4:
		name = fmt.Sprintf("0x%x", a.Data[:4])
	case name == "" && len(a.Data) > 0:
		name = fmt.Sprintf("%d bytes of data", len(a.Data))
	case name == "":
		name = "no data"
	}
	if a.To == nil {
		return "a new contract"
	}
	return name + " to " + a.To.Hex()
}

// summary is the explanation of a decision for the record.
func (p *Policy) summary(f *facts.Facts, j *judgement) string {
	var b strings.Builder
	switch {
	case j.rule == nil:
		b.WriteString("no rule matches")
		p.writeNearest(&b, f)
	case j.rule.Effect != Allow:
		fmt.Fprintf(&b, "rule %s denies it", named(j.rule.ID, j.rule.Line))
		if e := explainRule(j.rule, f); e.Finding != nil {
			fmt.Fprintf(&b, ", as it can't be ruled out: %s", e.Finding)
		}
	case j.problem != nil:
		fmt.Fprintf(&b, "rule %s allows it; %s", named(j.rule.ID, j.rule.Line), bounded(j.problem.Error()))
	default:
		b.WriteString("rule " + named(j.rule.ID, j.rule.Line) + " allows it")
		if j.verdict == rules.Refer {
			b.WriteString(", and " + j.reason)
		}
		for i := range j.charges {
			if b.Len() > rules.MaxExplanation {
				break
			}
			l := explainCharge(j, i)
			b.WriteString("; " + l.text())
		}
	}
	for _, rule := range j.shadow {
		would := "deny"
		if rule.Effect == Allow {
			would = "allow"
		}
		b.WriteString("; in shadow rule " + named(rule.ID, rule.Line) + " would " + would + " it")
	}
	text := b.String()
	if len(text) > rules.MaxExplanation {
		cut := rules.MaxExplanation - len("…")
		text = strings.ToValidUTF8(text[:cut], "") + "…"
	}
	return text
}
