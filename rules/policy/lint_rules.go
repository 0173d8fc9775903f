package policy

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// allowing warns of what an allow rule leaves open.
func (l *linter) allowing(rule *Rule) {
	m := &rule.Match
	possible := m.kinds()
	if !m.has("principal") {
		l.warn(rule, anyPrincipal, 0, "allows whoever asks: add principal")
	}
	if !slices.ContainsFunc(possible, signs) {
		return
	}
	if len(rule.Limits) == 0 && rule.Approvals == nil && !l.budgeted(rule, possible) {
		l.warn(rule, noLimit, 0, "allows without a limit: add limits, such as {measure: signatures, max: 100, window: 24h}")
	}
	l.digests(rule, possible)
	l.payloads(rule, possible)
	if !slices.ContainsFunc(possible, acts) {
		return
	}
	deploys := m.creates()
	if !deploys && !m.onChains() {
		l.warn(rule, anyChain, 0, "allows it on any chain, where the same address may be somebody else's: add chain")
	}
	if !deploys && !m.saysCalled(possible) {
		l.warn(rule, anyRecipient, 0, "says not who is paid or called: add to, or recipient for tokens")
	} else if !deploys {
		l.recipients(rule, m, possible)
	}
	if !deploys {
		l.unlimited(rule, m, possible, purseOf(rule))
		l.sums(rule, m, possible, purseOf(rule))
	}
	l.limits(rule, possible)
	l.unboundedValue(rule, m, possible, purseOf(rule))
	if slices.Contains(possible, facts.KindTransaction) {
		l.unboundedFee(rule, m)
	}
}

// budgeted reports whether a budget counts what a rule allows.
func (l *linter) budgeted(rule *Rule, possible []string) bool {
	m := &rule.Match
	signing := slices.DeleteFunc(slices.Clone(possible), func(kind string) bool { return !signs(kind) })
	return slices.ContainsFunc(l.limitsOf(rule, m, signing), func(of *limit.Limit) bool { return !m.misses(rule, of, signing) })
}

// onChains reports whether a match is about chains that the policy names.
func (m *Match) onChains() bool {
	for _, predicates := range [][]predicate{m.Request, m.Action, m.Effects} {
		if slices.ContainsFunc(predicates, func(p predicate) bool {
			placed, ok := p.(interface{ onChains() bool })
			return ok && placed.onChains()
		}) {
			return true
		}
	}
	return false
}

// saysCalled reports whether a match says who is paid or called. Of a Safe transaction
// its domain says whose it is, and not what it does.
func (m *Match) saysCalled(possible []string) bool {
	switch {
	case m.has("to", "recipient"):
		return true
	case slices.Contains(possible, facts.KindSafe):
		return namesAt(m.compared("message"), "to")
	default:
		return m.has("domain", "message")
	}
}

// unboundedFee warns of rules under which a transaction that moves nothing may give
// the whole account away as its fee, to who builds the block.
func (l *linter) unboundedFee(rule *Rule, m *Match) {
	bounded := m.caps("gas_cost_max", "spend_max") || m.caps("gas_max") && m.caps("fee_cap_max")
	limited := slices.ContainsFunc(l.limitsOf(rule, m, []string{facts.KindTransaction}), func(of *limit.Limit) bool { return of.Measure == limit.GasCost || of.Measure == limit.Spend })
	if !bounded && !limited {
		l.warn(rule, unboundedFee, 0, "allows any fee, which may be all that the account has: add gas_max and fee_cap_max, or a limit such as {measure: gas_cost, max: \"0.5 ether\", window: 24h}")
	}
}

// unboundedValue warns of rules that let any ether be sent. That those which say which
// calls they are about allow none without a word is told by what is implied.
func (l *linter) unboundedValue(rule *Rule, m *Match, possible []string, by purse) {
	ether := slices.DeleteFunc(slices.Clone(possible), func(kind string) bool { return kind != facts.KindTransaction && kind != facts.KindSafe })
	limited := func(of *limit.Limit) bool {
		return (of.Measure == limit.Value || of.Measure == limit.Spend) && (!by.ether || slices.Contains(of.Per, limit.PerRecipient))
	}
	bounded := rule.Approvals != nil && !m.has("value_min") || rule.Match.caps("spend_max") && !by.ether ||
		bounds(m.compared("message"), []string{"value"}) || by.ether && l.countsPaid(rule, by.around) ||
		slices.ContainsFunc(l.limitsOf(rule, m, ether), limited)
	if len(ether) > 0 && !bounded && !m.has("value") && !m.caps("value_max") {
		text := "allows any ether: add value_max, or a limit {measure: value, ..}"
		if by.ether {
			text = "allows any ether of the contract that is called, which no limit on value counts: add value_max"
		}
		l.warn(rule, unboundedValue, m.lineOf("value_min", "plain", "to"), "%s", text)
	}
	for i := range m.Inner {
		l.unboundedValue(rule, &m.Inner[i], possible, m.purseWithin(possible, by))
	}
}

// creates reports whether a match is about new contracts, whose code can do
// anything.
func (m *Match) creates() bool {
	p := m.find("create")
	return p != nil && p.want() == "true" || m.has("init_code_hash")
}

// inner warns of what may hide anything.
func (l *linter) inner(rule *Rule, m *Match) {
	if m.InnerAny && !m.creates() {
		l.warn(rule, anyInner, m.Lines[wordInner], "allows any call within its calls: list in inner what may lie there")
	}
	for i := range m.Inner {
		l.inner(rule, &m.Inner[i])
	}
}

// denying warns of bounds that are the wrong way round: a deny rule with a
// maximum denies what is small.
func (l *linter) denying(rule *Rule) {
	m := &rule.Match
	for _, key := range []string{"value_max", "amount_max"} {
		if m.has(key) && !m.has(strings.Replace(key, "_max", "_min", 1)) {
			l.warn(rule, deniesLess, m.Lines[key], "denies what is %s %s and says nothing of more: to deny what is more, use %s",
				m.find(key).want(), "by "+key, strings.Replace(key, "_max", "_min", 1))
		}
	}
	for _, p := range m.Request {
		if strings.HasSuffix(p.key(), "_max") {
			l.warn(rule, deniesLess, m.Lines[p.key()], "denies what has %s %s and says nothing of more: put %s into the rules that allow", p.key(), p.want(), p.key())
		}
	}
}

// never warns of rules that no request can match. Words about different kinds of
// request in one match are refused when it is loaded.
func (l *linter) never(rule *Rule) {
	m := &rule.Match
	for _, of := range []string{"value", "amount"} {
		most, least := m.reachOf(of+"_max"), m.reachOf(of+"_min")
		if most.bound == nil || least.bound == nil || most.unit == least.unit && !least.bound.Gt(most.bound) {
			continue
		}
		does := "denies nothing"
		if rule.Effect == Allow {
			does = "allows nothing"
		}
		l.warn(rule, neverMatches, m.Lines[of+"_min"], "%s: no amount is both %s and %s: change one of the two", does, m.find(of+"_min").want(), m.find(of+"_max").want())
	}
}
