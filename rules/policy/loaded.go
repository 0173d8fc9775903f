package policy

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/limit"
)

// Name is the file's name, for people.
func (p *Policy) Name() string { return p.name }

// Hash is the SHA-256 of the file: a policy that differs in a space is another
// one.
func (p *Policy) Hash() common.Hash { return p.hash }

// Signatures returns those of methods with a selector that the policy names anywhere: by
// call or function, in rules, what lies within and budgets, and as what a limit counts. Two
// stand in the order in which they are read. The result must not be changed.
func (p *Policy) Signatures(selector [4]byte) []string { return p.methods[selector] }

// Rules returns a copy of the rules, in the order of the file.
func (p *Policy) Rules() []Rule {
	all := slices.Clone(p.rules)
	for i := range all {
		all[i].Limits = slices.Clone(all[i].Limits)
	}
	return all
}

// Limits returns a copy of every limit: those of the rules in the order of the
// file, then those of the budgets.
func (p *Policy) Limits() []limit.Limit {
	var all []limit.Limit
	for i := range p.rules {
		all = append(all, p.rules[i].Limits...)
	}
	for i := range p.budget {
		all = append(all, p.budget[i].Limit)
	}
	return all
}
