package policy

import (
	"math"
	"slices"
)

// near is a rule that allows, and how far it is from that.
type near struct {
	rule    *Rule
	failing int
}

// appendNearest adds the rules that are nearest to allowing a request which none
// allows. The work is bounded: rules about other accounts are not looked at, and
// of many only the first.
func (p *Policy) appendNearest(text []byte, s *subject) []byte {
	for _, n := range p.nearest(s) {
		text = append(appendNamed(append(text, "; rule "...), n.rule.ID, n.rule.Line), ": "...)
		_, finding := examine(n.rule, s)
		text = finding.append(text)
	}
	return text
}

// nearest returns the rules that are nearest, of equal ones the first.
func (p *Policy) nearest(s *subject) []near {
	c := p.indexes()
	best := make([]near, 0, maxNearest+1)
	var known answers
	for _, wide := range []bool{false, true} {
		l := c.allowances.find(s)
		if wide {
			l.widen()
		}
		asked := 0
		for i := l.candidate(); i >= 0 && asked < maxAsked; i = l.candidate() {
			asked++
			rule := c.allowing.rules[i]
			if rule.Shadow {
				continue
			}
			most := math.MaxInt // that fail, for the rule to be among the nearest
			if len(best) == maxNearest {
				most = best[maxNearest-1].failing - 1
			}
			if n := failing(&rule.Match, s, most, &known); n <= most {
				at := len(best)
				for at > 0 && best[at-1].failing > n {
					at--
				}
				best = slices.Insert(best, at, near{rule, n})
				best = best[:min(len(best), maxNearest)]
			}
		}
		if len(best) > 0 {
			break
		}
	}
	return best
}
