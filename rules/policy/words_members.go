package policy

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// located is a value within a call or a message.
type located struct {
	name  string // of the word, the function and the places: those of one name are the same
	parts []string
	whole func(s *subject) (any, truth)
}

// address returns the value if it is an address. It is false that it is one where
// no comparison with it is true, and unknown where one of text may be.
func (l *located) address(s *subject) (common.Address, truth) {
	whole, there := l.whole(s)
	if there != isTrue {
		return common.Address{}, isFalse
	}
	value, ok := follow(whole, l.parts)
	if !ok {
		return common.Address{}, isFalse
	}
	address, ok := value.(common.Address)
	if !ok {
		return common.Address{}, unknown
	}
	return address, isTrue
}

// partsOf returns those comparisons of a word by members that rules are found by
// or ruled out by: an address that is one of a few, and bounds of numbers.
func partsOf(word string, made comparison, whole func(s *subject) (any, truth)) []predicate {
	members, _ := made.(every)
	var parts []predicate
	for _, c := range members {
		of, ok := c.(member)
		if !ok {
			continue
		}
		conditions, several := of.comparison.(every)
		if !several {
			conditions = every{of.comparison}
		}
		at := &located{word + " " + strings.Join(of.parts, "."), of.parts, whole}
		for _, condition := range conditions {
			if part := at.part(member{of.path, of.parts, condition}); part != nil {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// part is the predicate of one comparison, nil of one that tells nothing.
func (l *located) part(of member) predicate {
	made := narrowed{atom: atom{word: l.name, wants: of.want(), ask: func(s *subject) truth {
		whole, there := l.whole(s)
		if there != isTrue {
			return there
		}
		return of.holds(s, whole)
	}}}
	switch condition := of.comparison.(type) {
	case extent:
		bound, over := uint256.FromBig(condition.number)
		if condition.number.Sign() < 0 || over {
			return nil
		}
		made.holds = reach{bound: bound, upper: condition.upper}
		return &made
	case values:
		made.values = keys{by: byMember, member: l}
		for i := range condition {
			if condition[i].self || condition[i].addresses == nil {
				return nil
			}
			for address := range condition[i].addresses {
				made.values.addresses = append(made.values.addresses, address)
			}
		}
		return &made
	default:
		return nil
	}
}
