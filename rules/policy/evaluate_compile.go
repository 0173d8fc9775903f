package policy

// indexes find the rules and the budgets of a policy that a request may match.
type indexes struct {
	denials, allowances, budgets *index

	denying, allowing []*Rule // those of the first two, in the order of the file
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
	var denials, allowances, budgets []*Match
	for i := range p.rules {
		rule := &p.rules[i]
		if rule.Effect == Allow {
			c.allowing, allowances = append(c.allowing, rule), append(allowances, &rule.Match)
		} else {
			c.denying, denials = append(c.denying, rule), append(denials, &rule.Match)
		}
	}
	for i := range p.budget {
		budgets = append(budgets, &p.budget[i].Match)
	}
	c.denials, c.allowances, c.budgets = newIndex(denials, false), newIndex(allowances, true), newIndex(budgets, false)
	return c
}
