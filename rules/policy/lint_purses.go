package policy

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// purse says who makes the calls of a match that stands within another. Limits count what
// leaves the account, or the Safe of a Safe transaction: a contract that is called pays
// with its own.
type purse struct {
	tokens bool   // calls of tokens are made by another
	ether  bool   // ether is paid by another, which has some
	around *Match // that makes the calls; nil for the outermost

	self []common.Address // the account, where the rule names one alone
}

// purseOf is who makes the outermost calls of a rule.
func purseOf(rule *Rule) purse {
	if by, ok := rule.Match.find("account").(narrowing); ok && len(by.narrows().addresses) == 1 {
		return purse{self: by.narrows().addresses}
	}
	return purse{}
}

// purseWithin is who makes the calls within those of a match.
func (m *Match) purseWithin(possible []string, by purse) purse {
	within := by
	within.around = m
	if m.callsSelf(by.self) {
		return within
	}
	word, methods := m.methods()
	if word == "" {
		within.tokens, within.ether = true, true // there is another warning of that
		return within
	}
	for _, method := range methods {
		name := nameOf(method)
		forwards := name == "executeMetaTransaction" || strings.Contains(method, "((address,address,uint256")
		switch {
		case name == "multicall" || name == "multiSend" && slices.Contains(possible, facts.KindSafe):
		case (strings.HasPrefix(name, "exec") || strings.HasPrefix(name, "handle")) && !forwards:
			within.tokens, within.ether = true, true
		default:
			within.tokens = true // it pays no ether but what it is sent
		}
	}
	return within
}

// callsSelf reports whether a match is about calls of the account itself, which runs
// the code of a contract (EIP-7702).
func (m *Match) callsSelf(self []common.Address) bool {
	if !m.has("to") {
		return false
	}
	to, ok := m.find("to").(narrowing)
	return m.find("to").want() == wordSelf || ok && len(self) == 1 && slices.Equal(to.narrows().addresses, self)
}

// ofSelf reports whether a match is about tokens of who signs alone.
func (m *Match) ofSelf() bool { return m.has("owner") && m.find("owner").want() == wordSelf }

// instead is what bounds the amounts that a payer moves.
func (p purse) instead() string {
	if p.tokens {
		return "; what a contract that is called pays of its own is counted by {measure: argument, ..} alone"
	}
	return ""
}

// paysEther reports whether the calls of a match may take ether along.
func (m *Match) paysEther() bool {
	if m.has("value") {
		return false // a word about calls without one about ether
	}
	most := m.reachOf("value_max").bound
	return most == nil || !most.IsZero()
}

// counted reports whether a limit on an argument counts each method that a match is about,
// where the argument is that of a path.
func (l *linter) counted(rule *Rule, m *Match, signature, place string) bool {
	return slices.ContainsFunc(l.limitsOf(rule, m, possibleActs(rule)), func(one *limit.Limit) bool {
		return one.Measure == limit.Argument && one.Method == signature && (place == "" || one.Argument == place)
	})
}

// countsArguments reports whether limits on arguments count all amounts that a match moves.
func (l *linter) countsArguments(rule *Rule, m *Match) bool {
	word, methods := m.methods()
	for _, method := range methods {
		known := flowsOf(method)
		if len(known) == 0 && !l.counted(rule, m, method, "") {
			return false
		}
		for signature, of := range known {
			if len(of.amount) == 0 || !l.counted(rule, m, signature, of.amount[0]) {
				return false
			}
		}
	}
	return word != "" && len(methods) > 0
}

// countsPaid reports whether limits on arguments count the ether that the calls within
// those of a match take along.
func (l *linter) countsPaid(rule *Rule, m *Match) bool {
	word, methods := m.methods()
	for _, method := range methods {
		if strings.Contains(method, "(") && l.counted(rule, &rule.Match, method, "1") {
			continue
		}
		if nameOf(method) == "execTransaction" && l.counted(rule, &rule.Match, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", "1") {
			continue
		}
		return false
	}
	return word != "" && len(methods) > 0
}

// paidUncounted reports whether what lies within the calls of a match pays what a limit
// does not count, as a contract that is called pays it of its own.
func (l *linter) paidUncounted(rule *Rule, m *Match, of *limit.Limit, possible []string, by purse) bool {
	for i := range m.Inner {
		within, inner := m.purseWithin(possible, by), &m.Inner[i]
		switch of.Measure {
		case limit.Value, limit.Spend:
			if within.ether && inner.paysEther() && !slices.Contains(of.Per, limit.PerRecipient) && !l.countsPaid(rule, m) {
				return true
			}
		case limit.Amount:
			does := inner.moves(possible)
			if within.tokens && (does.sends || does.approves) && !inner.ofSelf() && !l.countsArguments(rule, inner) {
				return true
			}
		}
		if l.paidUncounted(rule, inner, of, possible, within) {
			return true
		}
	}
	return false
}
