package policy

import (
	"math/big"
	"slices"
	"strings"
)

// each stands in a path for every element of a list.
const each = "*"

// amountArguments are where methods that let others take tokens say how many, or
// whether all of them. A method that has no amount has no path.
func amountArguments() map[string][]string {
	return map[string][]string{
		"approve(address,uint256)":              {"1"},
		"increaseAllowance(address,uint256)":    {"1"},
		"increaseApproval(address,uint256)":     {"1"},
		"approveAndCall(address,uint256)":       {"1"},
		"approveAndCall(address,uint256,bytes)": {"1"},
		"setApprovalForAll(address,bool)":       {"1"},
		"authorizeOperator(address)":            nil,

		"permit(address,address,uint256,uint256,uint8,bytes32,bytes32)":      {"2"},
		"permit(address,address,uint256,uint256,bytes)":                      {"2"},
		"permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)": {"4"},

		"approve(address,address,uint160,uint48)":                                   {"2"},
		"permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)":   {"1", "0", "1"},
		"permit(address,((address,uint160,uint48,uint48)[],address,uint256),bytes)": {"1", "0", each, "1"},
	}
}

// amountMembers are where typed data that hands tokens over says how many. What
// has none of a path does not match a comparison with it.
func amountMembers() []string {
	return []string{"value", "allowed", "tokenId", "details.amount", "details.*.amount", "permitted.amount", "permitted.*.amount"}
}

// boundsArgument reports whether the word args bounds the amount of a method. Of
// one that is not known it may be any number.
func (m *Match) boundsArgument(method string) bool {
	arguments := m.compared("args")
	path, known := amountArguments()[method]
	if known {
		return path != nil && bounds(arguments, path)
	}
	all, _ := arguments.(every)
	return slices.ContainsFunc(all, func(c comparison) bool {
		of, ok := c.(member)
		return ok && bounds(of, of.parts)
	})
}

// boundsMember reports whether the word message bounds the amount of typed data.
func (m *Match) boundsMember() bool {
	message := m.compared("message")
	return slices.ContainsFunc(amountMembers(), func(path string) bool { return bounds(message, strings.Split(path, ".")) })
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

// countable reports whether a number bounds an amount: one of more than 128 bits is as
// good as none.
func countable(n *big.Int) bool { return n != nil && n.BitLen() <= 128 }
