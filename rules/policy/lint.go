package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// Warning is what is sound in a policy, and yet may not be what was meant.
type Warning struct {
	ID   string `json:"id"` // what it is about, such as "no-limit"; stable
	Line int    `json:"line"`
	Rule string `json:"rule"` // the rule's id
	Text string `json:"text"` // what it is, and what to do

	// Accepted is the reason for which the rule accepts it; "" if it does not.
	Accepted string `json:"accepted,omitempty"`
}

// String is the warning with its place.
func (w Warning) String() string { return fmt.Sprintf("line %d: rule %s %s", w.Line, w.Rule, w.Text) }

// maxShadowing bounds the rules that are compared with each other.
const maxShadowing = 2000

// Lint returns what should be looked at in a policy, in the order of the file,
// with what its rules accept. It warns only of what it can prove from the rules
// themselves.
func Lint(p *Policy) []Warning {
	l := &linter{policy: p}
	for i := range p.rules {
		rule := &p.rules[i]
		l.never(rule)
		if rule.Effect == Allow {
			l.allowing(rule)
			l.inner(rule, &rule.Match)
			if i < maxShadowing {
				l.shadowed(i)
			}
		} else {
			l.denying(rule)
		}
		l.accepting(rule)
	}
	slices.SortStableFunc(l.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	return l.warnings
}

// linter collects warnings.
type linter struct {
	policy   *Policy
	warnings []Warning
	denied   []*Match // see denials
}

func (l *linter) warn(rule *Rule, id string, line int, format string, args ...any) {
	if line == 0 {
		line = rule.Line
	}
	l.warnings = append(l.warnings, Warning{ID: id, Line: line, Rule: rule.ID, Text: fmt.Sprintf(format, args...)})
}

// find returns the predicate of a key, nil if there is none.
func (m *Match) find(key string) predicate {
	for _, predicates := range [][]predicate{m.Request, m.Action, m.Effects} {
		for _, p := range predicates {
			if p.key() == key {
				return p
			}
		}
	}
	return nil
}

// has reports whether a match has one of some words.
func (m *Match) has(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(key string) bool { return m.find(key) != nil })
}

// textsOf are the values of a word that is true for a few texts alone.
func (m *Match) textsOf(key string) []string {
	return m.reachOf(key).texts
}

// reachOf is the reach of a word that has one.
func (m *Match) reachOf(key string) reach {
	if extending, ok := m.find(key).(interface{ reaches() reach }); ok {
		return extending.reaches()
	}
	return reach{}
}
