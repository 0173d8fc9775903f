package policy

import (
	"math/big"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// amountMembers are where typed data that hands tokens over says how many. What
// has none of a path does not match a comparison with it.
func amountMembers() []string {
	return []string{"value", "allowed", "tokenId", "details.amount", "details.*.amount", "permitted.amount", "permitted.*.amount"}
}

// boundsArgument reports whether the word args bounds the amount of a method. Of
// one that is not known it may be any number.
func (m *Match) boundsArgument(method string) bool {
	arguments := m.compared("args")
	if of, known := flows()[method]; known {
		return of.amount != nil && bounds(arguments, of.amount)
	}
	all, _ := arguments.(every)
	return slices.ContainsFunc(all, func(c comparison) bool {
		of, ok := c.(member)
		return ok && bounds(of, of.parts)
	})
}

// boundsMember reports whether the word message bounds the amount of typed data. What a
// Safe transaction calls value is ether.
func (m *Match) boundsMember(possible []string) bool {
	message := m.compared("message")
	return !slices.Contains(possible, facts.KindSafe) && slices.ContainsFunc(amountMembers(), func(path string) bool { return bounds(message, strings.Split(path, ".")) })
}

// compared is what a word compares members with, nil if it is not there.
func (m *Match) compared(key string) comparison {
	if of, ok := m.find(key).(interface{ comparison() comparison }); ok {
		return of.comparison()
	}
	return nil
}

// bounds reports whether a comparison holds only for what has a number up to a
// bound at a path, or false.
func bounds(c comparison, path []string) bool {
	switch c := c.(type) {
	case every:
		return slices.ContainsFunc(c, func(one comparison) bool { return bounds(one, path) })
	case member:
		n := len(c.parts)
		return n <= len(path) && slices.Equal(c.parts, path[:n]) && bounds(c.comparison, path[n:])
	case elements:
		return c.all && len(path) > 0 && path[0] == each && bounds(c.comparison, path[1:])
	case extent:
		return len(path) == 0 && c.upper && countable(c.number)
	case values:
		return len(path) == 0 && !slices.ContainsFunc(c, func(l literal) bool { return l.text != "false" && !countable(l.number) })
	default:
		return false
	}
}

// maxCountable is how many bits a bound may have: one of more is as good as none.
const maxCountable = 128

// countable reports whether a number bounds an amount.
func countable(n *big.Int) bool { return n != nil && n.BitLen() <= maxCountable }

// holds reports whether a limit bounds what it counts.
func holds(of *limit.Limit) bool { return of.Max.BitLen() <= maxCountable }

// caps reports whether a match has one of some words, with a number that bounds what it is
// about, if it has one.
func (m *Match) caps(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(key string) bool {
		most := m.reachOf(key).bound
		return m.has(key) && (most == nil || most.BitLen() <= maxCountable)
	})
}
