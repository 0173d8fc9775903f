package policy

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
)

// safeType is the primary type of Safe transactions.
const safeType = "SafeTx"

// safeMembers are the members of a Safe transaction, of all versions.
func safeMembers() []string {
	return []string{"to", "value", "data", "operation", "safeTxGas", "baseGas", "dataGas", "gasPrice", "gasToken", "refundReceiver", "nonce"}
}

// mayBeSafe reports whether what a match says of typed data leaves open that it is a Safe
// transaction.
func (m *Match) mayBeSafe() bool {
	if types := m.textsOf("primary_type"); types != nil && !slices.Contains(types, safeType) {
		return false
	}
	if domain := m.domain(); domain != nil && (domain.names != nil || domain.more) {
		return false // that of a Safe has its chain and the Safe
	}
	return subset(m.members(), safeMembers())
}

// domain is what a match says of the domain, nil if nothing.
func (m *Match) domain() *domainPredicate {
	domain, _ := m.find("domain").(*domainPredicate)
	return domain
}

// members are the outermost members of typed data of which a match says something: data
// without one of them does not match.
func (m *Match) members() []string {
	var names []string
	all, _ := m.compared("message").(every)
	for _, c := range all {
		if of, ok := c.(member); ok {
			names = append(names, of.parts[0])
		}
	}
	return names
}

// handsOver reports whether typed data that a match matches may let others take tokens, or
// move them itself, as far as can be told by its type, its members and its domain.
func (m *Match) handsOver() (permits, sends bool) {
	if types := m.textsOf("primary_type"); types != nil {
		return slices.ContainsFunc(types, isPermit), slices.ContainsFunc(types, isAuthorization)
	}
	members := m.members()
	for _, permit := range [][]string{
		{"owner", "spender", "value", "nonce", "deadline"},
		{"holder", "spender", "nonce", "expiry", "allowed"},
		{"spender", "tokenId", "nonce", "deadline"},
	} {
		permits = permits || subset(members, permit)
	}
	if m.mayBePermit2() {
		others := slices.DeleteFunc(slices.Clone(members), func(name string) bool {
			return slices.Contains([]string{"permitted", "spender", "nonce", "deadline"}, name)
		})
		permits = permits || subset(members, []string{"details", "spender", "sigDeadline"}) || len(others) <= 1 // a witness has any name
	}
	return permits, subset(members, []string{"from", "to", "value", "validAfter", "validBefore", "nonce"})
}

// mayBePermit2 reports whether what a match says of the domain leaves open that it is that
// of Permit2.
func (m *Match) mayBePermit2() bool {
	domain := m.domain()
	return domain == nil || !domain.more && (domain.names == nil || slices.Contains(domain.names, "Permit2")) &&
		(domain.contracts == nil || slices.ContainsFunc(domain.contracts, facts.IsPermit2))
}

func isPermit(primaryType string) bool { return strings.HasPrefix(primaryType, "Permit") }

func isAuthorization(primaryType string) bool {
	return strings.HasSuffix(primaryType, "WithAuthorization")
}

// movesOthersTyped reports whether typed data that a match matches may be about tokens of
// others than who signs: a contract that the account signs for (ERC-1271) owns some.
func (m *Match) movesOthersTyped() bool {
	names := func(member string) bool { return namesAt(m.compared("message"), member) }
	if m.has("owner") || names("owner") || names("holder") || names("from") || m.has("function", "selector") {
		return false
	}
	if calls := m.textsOf("call"); calls != nil && !slices.ContainsFunc(calls, func(call string) bool { return call == "permit" || isAuthorization(call) }) {
		return false
	}
	if effects := m.textsOf("effect"); effects != nil && !slices.Contains(effects, facts.Permit) && !slices.Contains(effects, facts.Transfer) {
		return false
	}
	types := m.textsOf("primary_type")
	if types != nil {
		return slices.ContainsFunc(types, func(t string) bool { return t == "Permit" || isAuthorization(t) })
	}
	permits, sends := m.handsOver()
	return permits || sends
}

// safeData is what the data of a Safe transaction begins with, as the word message says;
// nil if it says nothing of it.
func (m *Match) safeData() []byte {
	begin, _ := comparedAt(m.compared("message"), "data").(prefixed)
	return begin.raw
}

// pinsSafeData reports whether the word message says of the data of a Safe transaction
// exactly what it is, or that there is too little for any call of a token.
func (m *Match) pinsSafeData() bool {
	switch c := comparedAt(m.compared("message"), "data").(type) {
	case values:
		return !slices.ContainsFunc(c, func(l literal) bool { return !l.isRaw })
	case shorter:
		return c < shortestApproval
	default:
		return false
	}
}

// comparedAt is what is compared with a member, nil if nothing is.
func comparedAt(c comparison, name string) comparison {
	switch c := c.(type) {
	case every:
		for _, one := range c {
			if within := comparedAt(one, name); within != nil {
				return within
			}
		}
	case member:
		if len(c.parts) == 1 && c.parts[0] == name {
			return c.comparison
		}
	}
	return nil
}
