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
// allows. The work is bounded: rules about other accounts are not looked at unless
// nothing else is near, and of many only the first.
func (p *Policy) appendNearest(text []byte, s *subject) []byte {
	for _, n := range p.nearest(s) {
		text = append(appendNamed(append(text, "; rule "...), n.rule.ID, n.rule.Line), ": "...)
		_, finding := examine(n.rule, s)
		text = finding.append(text)
	}
	return text
}

// circle is how far rules are looked for.
type circle int

const (
	circleFound   circle = iota // what may match
	circleAccount               // and what differs in anything but the account
	circleAll
)

// enough reports whether the rules that were found make it needless to look farther.
// Those for something else altogether tell nobody what to change, so that they stand in for
// none.
func (r circle) enough(best []near) bool {
	if r == circleFound {
		return len(best) == maxNearest && best[maxNearest-1].failing < far
	}
	return len(best) > 0 && best[0].failing < far
}

// look looks a request up among the rules that are looked at so far.
func (r circle) look(x *index, s *subject) lookup {
	l := x.find(s)
	if r > circleFound {
		l.widen()
		l.all[byAccount] = r == circleAll
	}
	return l
}

// nearest returns the rules that are nearest, of equal ones the first.
func (p *Policy) nearest(s *subject) []near {
	c := p.indexes()
	best := make([]near, 0, maxNearest+1)
	var known answers
	for r := circleFound; r <= circleAll; r++ {
		l := r.look(c.allowances, s)
		asked := 0
		for i := l.candidate(); i >= 0 && asked < maxAsked; i = l.candidate() {
			asked++
			rule := c.allowing.rules[i]
			if rule.Shadow || slices.ContainsFunc(best, func(n near) bool { return n.rule == rule }) {
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
		if r.enough(best) {
			break
		}
	}
	return best
}
