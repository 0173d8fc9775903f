package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
)

// near is a rule that allows, and how far it is from that.
type near struct {
	rule    *Rule
	failing int
}

// writeNearest adds the rules that are nearest to allowing a request which none
// allows. The work is bounded: rules about other accounts are not looked at, and
// of many only the first.
func (p *Policy) writeNearest(b *strings.Builder, f *facts.Facts) {
	c := p.indexes()
	s := &subject{Facts: f}
	var found []near
	for _, wide := range []bool{false, true} {
		l := c.allowances.find(f)
		for by := range l.all {
			l.all[by] = l.all[by] || wide && dimension(by) != byAccount
		}
		asked := 0
		for i := l.candidate(); i >= 0 && asked < maxAsked; i = l.candidate() {
			asked++
			if rule := c.allowing.rules[i]; !rule.Shadow {
				found = append(found, near{rule, failing(&rule.Match, s)})
			}
		}
		if len(found) > 0 {
			break
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.failing, b.failing) })
	for _, n := range found[:min(len(found), maxNearest)] {
		fmt.Fprintf(b, "; rule %s: %s", named(n.rule.ID, n.rule.Line), explainRule(n.rule, f).Finding)
	}
}
