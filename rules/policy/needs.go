package policy

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Need is what a signer must have for a rule that allows to match.
type Need struct {
	Rule string
	Line int

	Accounts []common.Address // of which the request's must be one; nil: any
	Chains   []uint64         // likewise
}

// Needs returns what the rules that allow need, in the order of the file: those alone that
// are about some accounts or chains.
func (p *Policy) Needs() []Need {
	var all []Need
	for i := range p.rules {
		rule := &p.rules[i]
		if rule.Effect != Allow || rule.Shadow {
			continue
		}
		need := Need{Rule: rule.ID, Line: rule.Line}
		for _, word := range rule.Match.Request {
			narrow, ok := word.(narrowing)
			if !ok {
				continue
			}
			switch k := narrow.narrows(); k.by {
			case byAccount:
				need.Accounts = slices.Clone(k.addresses)
			case byChain:
				need.Chains = slices.Clone(k.numbers)
			}
		}
		if need.Accounts != nil || need.Chains != nil {
			all = append(all, need)
		}
	}
	return all
}

// AccountName returns what the policy calls an account, "" if it has no name for it.
func (p *Policy) AccountName(address common.Address) string {
	for _, name := range p.NamesOf([]common.Address{address})[address] {
		if name.Kind == NameOfAccount {
			return name.Name
		}
	}
	return ""
}
