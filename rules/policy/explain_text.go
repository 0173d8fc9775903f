package policy

import (
	"fmt"
	"strconv"
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
func (f *Finding) String() string { return string(f.append(nil)) }

func (f *Finding) append(text []byte) []byte {
	if f == nil {
		return append(text, "does not match"...)
	}
	if f.Word != "" {
		text = append(appendNamed(text, f.Word, f.Line), ' ')
	}
	text = append(append(text, "wants "...), f.Want...)
	if f.Got == "" {
		text = append(text, ", which does not apply"...)
	} else {
		text = append(append(text, ", got "...), f.Got...)
	}
	if f.Action != "" {
		text = append(append(text, " in "...), f.Action...)
	}
	if f.Unknown {
		text = append(text, " (unknown)"...)
	}
	return text
}

// text is the line of a limit.
func (l *LimitExplanation) text() string { return string(l.append(nil)) }

func (l *LimitExplanation) append(text []byte) []byte {
	if l.Error != "" {
		return append(text, l.Error...)
	}
	kind := "limit "
	if l.Budget {
		kind = "budget "
	}
	most := l.Max + " in " + l.Window
	if l.Shown != "" && l.Shown != most {
		most = l.Max + " (" + l.Shown + ")"
	}
	for _, part := range []string{kind, l.ID, " counts ", l.Amount, " of ", most, ", as ", l.Counter} {
		text = append(text, part...)
	}
	if l.Over {
		text = append(text, ", and has no room for that"...)
	}
	return text
}

// named is a rule, or a word, with its place.
func named(id string, line int) string { return string(appendNamed(nil, id, line)) }

func appendNamed(text []byte, id string, line int) []byte {
	text = append(text, id...)
	if line > 0 {
		text = append(strconv.AppendInt(append(text, " (line "...), int64(line), 10), ')')
	}
	return text
}

// spelled is a time span for people: whole days as days.
func spelled(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
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
func (p *Policy) summary(j *judgement) string {
	text := make([]byte, 0, 256) // of most, as it is made for every request
	switch {
	case j.rule == nil:
		text = p.appendNearest(append(text, "no rule matches"...), j.asked)
	case j.rule.Effect != Allow:
		text = append(appendNamed(append(text, "rule "...), j.rule.ID, j.rule.Line), " denies it"...)
		if _, finding := examine(j.rule, j.asked); finding != nil {
			text = finding.append(append(text, ", as it can't be ruled out: "...))
		}
	default:
		text = append(appendNamed(append(text, "rule "...), j.rule.ID, j.rule.Line), " allows it"...)
		text = appendCharges(text, j)
	}
	for _, rule := range j.shadow {
		text = appendNamed(append(text, "; in shadow rule "...), rule.ID, rule.Line)
		if rule.Effect == Allow {
			text = append(text, " would allow it"...)
		} else {
			text = append(text, " would deny it"...)
		}
	}
	if len(text) > rules.MaxExplanation {
		cut := rules.MaxExplanation - len("…")
		return strings.ToValidUTF8(string(text[:cut]), "") + "…"
	}
	return string(text)
}

// appendCharges adds who must approve, and what the request counts.
func appendCharges(text []byte, j *judgement) []byte {
	if j.problem != nil {
		return append(append(text, "; "...), bounded(j.problem.Error())...)
	}
	if j.verdict == rules.Refer {
		text = append(append(text, ", and "...), j.reason...)
	}
	for i := range j.charges {
		if len(text) > rules.MaxExplanation {
			break
		}
		l := explainCharge(j, i)
		text = l.append(append(text, "; "...))
	}
	return text
}
