package policy

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
)

// shadowed warns of an allow rule that never decides, as an earlier one, or one
// that denies, matches all that it matches.
func (l *linter) shadowed(at int) {
	rule := &l.policy.rules[at]
	for i := range l.policy.rules[:min(len(l.policy.rules), maxShadowing)] {
		other := &l.policy.rules[i]
		switch {
		case other.Shadow || i == at || other.Effect == Allow && i > at:
		case !implies(&rule.Match, &other.Match):
		case other.Effect == Deny:
			l.warn(rule, neverDecides, 0, "never allows: rule %s denies all that it matches: remove one of the two", named(other.ID, other.Line))
			return
		case coversInnerOf(&other.Match, &rule.Match):
			l.warn(rule, neverDecides, 0, "never decides: rule %s comes first and matches all that it matches: put the narrower one first", named(other.ID, other.Line))
			return
		}
	}
}

// implies reports whether it can be proved that each word of the second match is
// true where the first one matches.
func implies(narrow, broad *Match) bool {
	request := broad.Request
	if !slices.Contains(narrow.kinds(), facts.KindSafe) {
		request = explicit(request) // what is implied is about Safe transactions
	}
	return implied(narrow.Request, request) && implied(narrow.Action, broad.Action) && implied(narrow.Effects, broad.Effects)
}

func implied(narrow, broad []predicate) bool {
	for _, b := range broad {
		if !slices.ContainsFunc(narrow, func(n predicate) bool { return impliesWord(n, b) }) {
			return false
		}
	}
	return true
}

// impliesWord reports whether a predicate is certainly true where another one
// of its key is.
func impliesWord(narrow, broad predicate) bool {
	if narrow.key() != broad.key() {
		return false
	}
	if same := narrow.want(); same == broad.want() && !strings.Contains(same, "…") {
		return true
	}
	n, narrowOK := narrow.(interface{ reaches() reach })
	b, broadOK := broad.(interface{ reaches() reach })
	if !narrowOK || !broadOK {
		return false
	}
	if n, b := n.reaches(), b.reaches(); n.within(b) {
		return true
	}
	return keysWithin(narrow, broad)
}

// within reports whether all values of an reach are in another.
func (e reach) within(other reach) bool {
	switch {
	case e.texts != nil && other.texts != nil:
		return subset(e.texts, other.texts)
	case e.bound == nil || other.bound == nil || e.upper != other.upper || e.unit != other.unit:
		return false
	case e.upper:
		return !e.bound.Gt(other.bound)
	default:
		return !e.bound.Lt(other.bound)
	}
}

// keysWithin compares the values of sets that rules are found by. A token may be
// more than its address.
func keysWithin(narrow, broad predicate) bool {
	n, narrowOK := narrow.(narrowing)
	b, broadOK := broad.(narrowing)
	if !narrowOK || !broadOK {
		return false
	}
	inner, outer := n.narrows(), b.narrows()
	if inner.by == byNothing || inner.by == byToken || inner.by != outer.by {
		return false
	}
	return subset(inner.addresses, outer.addresses) && subset(inner.numbers, outer.numbers) && subset(inner.texts, outer.texts)
}

func subset[T comparable](inner, outer []T) bool {
	if len(inner)*len(outer) > 1<<14 {
		return false // not worth the time
	}
	return !slices.ContainsFunc(inner, func(value T) bool { return !slices.Contains(outer, value) })
}

// coversInnerOf reports whether what one match lets lie within an action is
// certainly what another lets.
func coversInnerOf(broad, narrow *Match) bool {
	return broad.InnerAny || !narrow.InnerAny && len(narrow.Inner) == 0
}
