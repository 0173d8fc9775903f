package policy

// indexes find the rules and the budgets of a policy that a request may match.
type indexes struct {
	denials, allowances, budgets *index

	denying, allowing set
}

// set are rules of one effect, in the order of the file.
type set struct {
	rules  []*Rule
	shadow bitmap // those in shadow; nil if there are none
}

// indexes returns those that were made when the policy was loaded.
func (p *Policy) indexes() *indexes {
	if p.index == nil {
		return p.compile()
	}
	return p.index
}

// compile makes the indexes.
func (p *Policy) compile() *indexes {
	c := &indexes{}
	for i := range p.rules {
		of := &c.denying
		if p.rules[i].Effect == Allow {
			of = &c.allowing
		}
		of.rules = append(of.rules, &p.rules[i])
	}
	var budgets []*Match
	for i := range p.budget {
		budgets = append(budgets, &p.budget[i].Match)
	}
	c.denials, c.allowances, c.budgets = c.denying.index(false), c.allowing.index(true), newIndex(budgets, false)
	return c
}

// index makes the index of rules.
func (s *set) index(every bool) *index {
	matches := make([]*Match, len(s.rules))
	for i, rule := range s.rules {
		matches[i] = &rule.Match
	}
	x := newIndex(matches, every)
	for i, rule := range s.rules {
		if rule.Shadow && s.shadow == nil {
			s.shadow = make(bitmap, x.size)
		}
		if rule.Shadow {
			s.shadow.set(i)
		}
	}
	return x
}
