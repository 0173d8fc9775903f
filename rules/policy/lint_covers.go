package policy

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/limit"
)

// limitsOf are the limits and budgets that certainly count for what a match of a
// rule matches, its own or one within it, in requests of some kinds.
func (l *linter) limitsOf(rule *Rule, m *Match, kinds []string) []*limit.Limit {
	var all []*limit.Limit
	for i := range rule.Limits {
		if holds(&rule.Limits[i]) {
			all = append(all, &rule.Limits[i])
		}
	}
	for i := range l.policy.budget {
		if b := &l.policy.budget[i]; holds(&b.Limit) && coversRule(&b.Match, rule, m, kinds) {
			all = append(all, &b.Limit)
		}
	}
	return all
}

// coversRule reports whether it can be proved that a budget counts what a match of
// a rule matches in requests of some kinds.
func coversRule(budget *Match, rule *Rule, m *Match, kinds []string) bool {
	request := slices.DeleteFunc(slices.Clone(budget.Request), func(p predicate) bool {
		return p.key() == "kind" && subset(kinds, budget.textsOf("kind")) // a rule need not say its kind: its words do
	})
	return implied(rule.Match.Request, request) && implied(m.Action, budget.Action) && implied(m.Effects, budget.Effects)
}

// limitsAmount reports whether a limit bounds the amounts of each token that a
// match can be about.
func (l *linter) limitsAmount(rule *Rule, m *Match) bool {
	limits := l.limitsOf(rule, m, possibleActs(rule))
	limited := func(token *common.Address) bool {
		return token != nil && l.deniesMore(rule, m, *token) || slices.ContainsFunc(limits, func(one *limit.Limit) bool {
			return one.Measure == limit.Amount && (one.Token == nil || token != nil && *one.Token == *token)
		})
	}
	tokens := m.tokens(rule)
	if len(tokens) == 0 {
		return limited(nil)
	}
	return !slices.ContainsFunc(tokens, func(token common.Address) bool { return !limited(&token) })
}

// deniesMore reports whether a rule denies amounts of a token from one on.
func (l *linter) deniesMore(rule *Rule, m *Match, token common.Address) bool {
	return l.denies(rule, m, possibleActs(rule), "amount_min", func(d *Match) bool {
		by, ok := d.find("amount_min").(narrowing)
		return ok && len(d.Effects) == 1 && slices.Contains(by.narrows().addresses, token)
	})
}

// possibleActs are the kinds of requests with actions that a rule may match.
func possibleActs(rule *Rule) []string {
	return slices.DeleteFunc(rule.Match.kinds(), func(kind string) bool { return !acts(kind) })
}

// tokens are those that a match can be about, as it says itself or by whom it
// calls; nil if it may be any. A contract that is called and is no token, such as
// Permit2, has no limit of its own either.
func (m *Match) tokens(rule *Rule) []common.Address {
	for _, key := range []string{"token", "amount_max", "to"} {
		if by, ok := m.find(key).(narrowing); ok && len(by.narrows().addresses) > 0 {
			return by.narrows().addresses
		}
	}
	if domain := rule.Match.domain(); domain != nil {
		return domain.contracts
	}
	return nil
}

// deniesEffects reports whether rules deny all that does one of some things to
// tokens in requests of some kinds, by whatever method or signature.
func (l *linter) deniesEffects(rule *Rule, m *Match, kinds []string, effects ...string) bool {
	return !slices.ContainsFunc(effects, func(effect string) bool {
		return !l.denies(rule, m, kinds, "effect", func(d *Match) bool {
			return len(d.Effects) == 1 && slices.Contains(d.textsOf("effect"), effect)
		})
	})
}

// deniesCall reports whether a rule denies each call of a method, by its name or its
// signature.
func (l *linter) deniesCall(rule *Rule, m *Match, method string) bool {
	return l.denies(rule, m, possibleActs(rule), "call", func(d *Match) bool {
		denied := d.textsOf("call")
		return len(d.Effects) == 0 && (slices.Contains(denied, method) || slices.Contains(denied, nameOf(method)))
	})
}

// deniesUnlimited reports whether a rule denies all amounts without a bound. It helps
// where there are no others: an approval of one unit less than that is of any amount
// all the same.
func (l *linter) deniesUnlimited(rule *Rule, m *Match) bool {
	return l.denies(rule, m, possibleActs(rule), "amount", func(d *Match) bool { return len(d.Effects) == 1 })
}

// denies reports whether a rule that denies has a match of a kind by a word, and but for
// that word is certainly about all requests of some kinds, and their actions, that a match of
// another rule is about.
func (l *linter) denies(rule *Rule, m *Match, kinds []string, word string, of func(d *Match) bool) bool {
	return slices.ContainsFunc(l.denials(), func(d *Match) bool {
		if !d.has(word) || !of(d) {
			return false
		}
		request := slices.DeleteFunc(slices.Clone(d.Request), func(p predicate) bool {
			return p.key() == "kind" && subset(kinds, d.textsOf("kind"))
		})
		actions := slices.DeleteFunc(slices.Clone(d.Action), func(p predicate) bool { return p.key() == word })
		return implied(rule.Match.Request, request) && implied(m.Action, actions)
	})
}

// denials are the matches of all rules that deny.
func (l *linter) denials() []*Match {
	if l.denied == nil {
		l.denied = []*Match{}
		for i := range l.policy.rules {
			if rule := &l.policy.rules[i]; rule.Effect == Deny && !rule.Shadow {
				l.denied = append(l.denied, &rule.Match)
			}
		}
	}
	return l.denied
}
