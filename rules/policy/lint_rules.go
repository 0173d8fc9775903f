package policy

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
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
	if len(rule.Limits) == 0 && rule.Approvals == "" {
		l.warn(rule, noLimit, 0, "allows without a limit: add limits, such as {measure: signatures, max: 100, window: 24h}")
	}
	l.digests(rule, possible)
	if !slices.ContainsFunc(possible, acts) {
		return
	}
	deploys := m.creates()
	if !deploys && !m.has("to", "recipient", "domain", "message") {
		l.warn(rule, anyRecipient, 0, "says not who is paid or called: add to, or recipient for tokens")
	}
	if !deploys {
		l.unlimited(rule, m, possible)
	}
	l.unboundedValue(rule, m)
}

// unlimited warns of matches of allow rules, and of those within them, that let
// anyone take tokens without a bound.
func (l *linter) unlimited(rule *Rule, m *Match, possible []string) {
	for i := range m.Inner {
		l.unlimited(rule, &m.Inner[i], possible)
	}
	if m.has("amount_max", "args", "message") || m.has("plain") && m.find("plain").want() == "true" {
		return
	}
	calls, effects, types := m.textsOf("call"), m.textsOf("effect"), m.textsOf("primary_type")
	const remedy = "add amount_max, or a rule that denies {amount: unlimited}"
	switch {
	case len(effects) > 0:
		if slices.ContainsFunc(effects, func(effect string) bool { return effect != facts.Transfer }) && !l.deniesUnlimited("") {
			l.warn(rule, unboundedApproval, m.Lines["effect"], "allows approvals without a bound: %s", remedy)
		}
	case len(calls) > 0:
		if slices.ContainsFunc(calls, l.unbounded) {
			l.warn(rule, unboundedApproval, m.Lines["call"], "allows approvals without a bound: %s", remedy)
		}
	case len(types) > 0:
		if slices.ContainsFunc(types, func(t string) bool { return strings.HasPrefix(t, "Permit") }) && !l.deniesUnlimited("") {
			l.warn(rule, unboundedApproval, m.Lines["primary_type"], "allows permits without a bound: %s", remedy)
		}
	case m.has("function"):
		if l.unbounded(m.find("function").want()) {
			l.warn(rule, unboundedApproval, m.Lines["function"], "allows approvals without a bound: %s", remedy)
		}
	case m.has("selector", "data_max", "domain", "create") || l.deniesUnlimited(""):
	case slices.Contains(possible, facts.KindTransaction) || slices.Contains(possible, facts.KindSafe):
		l.warn(rule, anyCall, m.Lines["to"], "allows every call, approvals without a bound among them: add call, function or plain: true, or a rule that denies {amount: unlimited}")
	}
}

// unboundedValue warns of matches of allow rules that have a least value and no
// most: without the least one they may allow no ether at all.
func (l *linter) unboundedValue(rule *Rule, m *Match) {
	if m.has("value_min") && !m.has("value_max") && !rule.Match.has("spend_max") {
		l.warn(rule, unboundedValue, m.Lines["value_min"], "allows ether from %s on, without a bound: add value_max", strings.TrimPrefix(m.find("value_min").want(), "at least "))
	}
	for i := range m.Inner {
		l.unboundedValue(rule, &m.Inner[i])
	}
}

// creates reports whether a match is about new contracts, whose code can do
// anything.
func (m *Match) creates() bool {
	p := m.find("create")
	return p != nil && p.want() == "true"
}

// approving are the methods by which others may take tokens.
func approving() []string {
	return []string{"approve", "approveAndCall", "authorizeOperator", "increaseAllowance", "increaseApproval", "permit", "setApprovalForAll"}
}

// unbounded reports whether a method, by its name or its signature, lets others
// take tokens, and no rule denies that without a bound.
func (l *linter) unbounded(method string) bool {
	return slices.Contains(approving(), nameOf(method)) && !l.deniesUnlimited(method)
}

func nameOf(method string) string {
	name, _, _ := strings.Cut(method, "(")
	return strings.TrimSpace(name)
}

// deniesUnlimited reports whether the policy has a rule against what is without
// a bound, which is about nothing else but calls of a method: about each call if
// it has no name.
func (l *linter) deniesUnlimited(method string) bool {
	return slices.ContainsFunc(l.policy.rules, func(rule Rule) bool {
		m := &rule.Match
		if rule.Effect != Deny || rule.Shadow || len(m.Request) > 0 || m.find("amount") == nil || len(m.Effects) > 1 {
			return false
		}
		denied := m.textsOf("call")
		return len(m.Action) == 0 || len(m.Action) == 1 && method != "" && (slices.Contains(denied, method) || slices.Contains(denied, nameOf(method)))
	})
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
