package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// limits warns of limits of a rule that do not hold what they seem to.
func (l *linter) limits(rule *Rule, possible []string) {
	m := &rule.Match
	for i := range rule.Limits {
		of := &rule.Limits[i]
		switch {
		case m.misses(rule, of, possible):
			l.warn(rule, limitMisses, 0, "has the limit %s, and nothing that it matches counts for it: use another measure, such as signatures, or argument, which counts a number in calls", of.ID)
		case l.paidUncounted(rule, m, of, possible, purseOf(rule)):
			l.warn(rule, limitMisses, 0, "has the limit %s, which does not count what a contract that is called pays of its own, such as a Safe by execTransaction: add a limit {measure: argument, ..}, or let the Safe's owner sign safe_transaction", of.ID)
		case of.Measure == limit.Amount && m.movesOthers(possible):
			l.warn(rule, limitMisses, 0, "has the limit %s, which does not count tokens of others, and may move some: add owner: self, or a limit {measure: argument, ..}", of.ID)
		case of.Measure == limit.Amount && slices.Contains(possible, facts.KindTypedData) && m.movesOthersTyped():
			l.warn(rule, limitMisses, 0, "has the limit %s, which does not count tokens of others, and may sign for some, as of a contract that takes the account's signature (ERC-1271): add owner: self", of.ID)
		case rule.Approvals == nil && m.leavesOpen(of, possible) && !l.limitsAll(rule, of, possible):
			l.warn(rule, openPer, 0, "has the limit %s for each recipient or argument by itself, and leaves open how many there are: name them, or add a limit without per", of.ID)
		}
	}
}

// misses reports whether nothing that a match matches counts for a limit.
func (m *Match) misses(rule *Rule, of *limit.Limit, possible []string) bool {
	some := func(kinds ...string) bool {
		return slices.ContainsFunc(kinds, func(kind string) bool { return slices.Contains(possible, kind) })
	}
	alone := !m.InnerAny && len(m.Inner) == 0
	plain := alone && m.isPlain()
	switch of.Measure {
	case limit.GasCost, limit.Spend:
		return !some(facts.KindTransaction, facts.KindSafe)
	case limit.Value:
		return !some(facts.KindTransaction, facts.KindSafe) || !m.sendsEther(of, possible, purseOf(rule))
	case limit.Amount:
		var tokens []string
		named := m.has("token", "amount_max")
		if named {
			for _, token := range m.tokens(rule) {
				tokens = append(tokens, token.Hex())
			}
		}
		return plain || !some(facts.KindTransaction, facts.KindSafe, facts.KindTypedData) ||
			alone && of.Token != nil && (len(tokens) > 0 && !slices.Contains(tokens, of.Token.Hex()) || m.strange() && !m.callsToken(of))
	case limit.Argument:
		return plain || alone && m.has("function") && m.find("function").want() != of.Method
	default:
		return false
	}
}

// sendsEther reports whether a match, or one within it, may send ether that counts for a
// limit.
func (m *Match) sendsEther(of *limit.Limit, possible []string, by purse) bool {
	if m.paysEther() && (!by.ether || slices.Contains(of.Per, limit.PerRecipient)) || m.InnerAny {
		return true
	}
	within := m.purseWithin(possible, by)
	return slices.ContainsFunc(m.Inner, func(inner Match) bool { return inner.sendsEther(of, possible, within) })
}

// callsToken reports whether the contract that a match is about may be the token of a limit.
func (m *Match) callsToken(of *limit.Limit) bool {
	to, ok := m.find("to").(narrowing)
	return ok && slices.Contains(to.narrows().addresses, *of.Token)
}

// movesOthers reports whether a match, or one within it, may move tokens of others than
// the account, by an allowance of theirs.
func (m *Match) movesOthers(possible []string) bool {
	calls := slices.Contains(possible, facts.KindTransaction) || slices.Contains(possible, facts.KindSafe)
	if calls && m.moves(possible).others && !m.has("owner") && !m.namesOwner() {
		return true
	}
	return slices.ContainsFunc(m.Inner, func(within Match) bool { return within.movesOthers(possible) })
}

// namesOwner reports whether the arguments of a method say whose tokens it moves.
func (m *Match) namesOwner() bool {
	_, methods := m.methods()
	for _, method := range methods {
		known := flowsOf(method)
		for _, of := range known {
			if of.owner != nil && !namesPath(m.compared("args"), of.owner) {
				return false
			}
		}
		if len(known) == 0 && !namesAt(m.compared("args"), "0") {
			return false
		}
	}
	return len(methods) > 0
}

// leavesOpen reports whether a limit is kept apart per something that whoever asks
// chooses: a new one has a new total.
func (m *Match) leavesOpen(of *limit.Limit, possible []string) bool {
	if slices.Contains(of.Per, limit.PerArgument) {
		if !m.has("function") || m.find("function").want() != of.Method || !pins(m.compared("args"), of.Argument) {
			return true
		}
	}
	if !slices.Contains(of.Per, limit.PerRecipient) {
		return false
	}
	does := m.moves(possible)
	if of.Measure == limit.Amount || of.Measure == limit.Signatures && (does.sends || does.approves) {
		return !m.namesRecipient(possible)
	}
	return !m.has("to", "domain")
}

// pins reports whether a comparison allows but some values of an argument.
func pins(c comparison, place string) bool {
	switch c := c.(type) {
	case every:
		return slices.ContainsFunc(c, func(one comparison) bool { return pins(one, place) })
	case member:
		_, some := c.comparison.(values)
		return some && len(c.parts) == 1 && c.parts[0] == place
	default:
		return false
	}
}

// limitsAll reports whether besides a limit that is kept apart per something open there
// is one that is not, on the same, or on how often it may be used.
func (l *linter) limitsAll(rule *Rule, of *limit.Limit, possible []string) bool {
	m := &rule.Match
	return slices.ContainsFunc(l.limitsOf(rule, m, possible), func(other *limit.Limit) bool {
		if other == of || m.leavesOpen(other, possible) {
			return false
		}
		switch {
		case other.Measure == limit.Signatures:
			return of.Measure != limit.Amount && (m.has("value") || m.caps("value_max")) || of.Measure == limit.Amount && m.caps("amount_max") || of.Measure == limit.Signatures
		case other.Measure == limit.Spend:
			return of.Measure == limit.Value || of.Measure == limit.GasCost || of.Measure == limit.Spend
		case other.Measure == limit.Amount && of.Measure == limit.Amount:
			return other.Token == nil || of.Token != nil && *other.Token == *of.Token
		default:
			return other.Measure == of.Measure
		}
	})
}
