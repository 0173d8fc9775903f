package policy

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules/facts"
)

// unlimited warns of matches of allow rules, and of those within them, that let
// anyone take tokens without a bound.
func (l *linter) unlimited(rule *Rule, m *Match, possible []string) {
	for i := range m.Inner {
		l.unlimited(rule, &m.Inner[i], possible)
	}
	if m.has("amount_max") || m.has("plain") && m.find("plain").want() == "true" || l.limitsAmount(rule, m) {
		return
	}
	calls, effects, types := m.textsOf("call"), m.textsOf("effect"), m.textsOf("primary_type")
	const remedy = "add amount_max, or a limit {measure: amount, ..} on the token"
	switch {
	case m.has("function"):
		if method := m.find("function").want(); l.unbounded(method) && !m.boundsArgument(method) {
			l.warn(rule, unboundedApproval, m.Lines["function"], "allows approvals without a bound: %s", remedy)
		}
	case len(effects) > 0:
		if slices.ContainsFunc(effects, l.unboundedEffect) && !m.boundsMember() {
			l.warn(rule, unboundedApproval, m.Lines["effect"], "allows approvals without a bound: %s", remedy)
		}
	case len(calls) > 0:
		if slices.ContainsFunc(calls, l.unbounded) && !m.boundsMember() {
			l.warn(rule, unboundedApproval, m.Lines["call"], "allows approvals without a bound: %s", remedy)
		}
	case len(types) > 0:
		if slices.ContainsFunc(types, func(t string) bool { return strings.HasPrefix(t, "Permit") }) && !m.boundsMember() && l.unboundedEffect(facts.Permit) {
			l.warn(rule, unboundedApproval, m.Lines["primary_type"], "allows permits without a bound: %s", remedy)
		}
	case m.has("selector"):
		if slices.ContainsFunc(m.selected(), l.unbounded) {
			l.warn(rule, unboundedApproval, m.Lines["selector"], "allows approvals without a bound: %s", remedy)
		}
	case m.has("domain") && !m.has("message") && slices.Contains(possible, facts.KindTypedData):
		if l.unboundedEffect(facts.Permit) {
			l.warn(rule, unboundedApproval, m.Lines["domain"], "allows permits without a bound, if the contract takes some: add primary_type, or a rule that denies {effect: permit}")
		}
	case m.has("domain", "message") || m.allowsLittleData() || l.deniesEffects(facts.Approve, facts.Permit, facts.ApproveAll):
	case slices.Contains(possible, facts.KindTransaction) || slices.Contains(possible, facts.KindSafe):
		l.warn(rule, anyCall, m.Lines["to"], "allows every call, approvals without a bound among them: add call, function or plain: true, or a rule that denies {effect: [approve, permit, approve_all]}")
	}
}

// allowsLittleData reports whether call data may have no room for an approval, which
// has a selector and an address at least.
func (m *Match) allowsLittleData() bool {
	const shortest = 4 + 32
	most := m.reachOf("data_max").bound
	return most != nil && most.LtUint64(shortest)
}

// approving are the methods by which others may take tokens.
func approving() []string {
	return []string{"approve", "approveAndCall", "authorizeOperator", "increaseAllowance", "increaseApproval", "permit", "setApprovalForAll"}
}

// unbounded reports whether a method, by its name or its signature, lets others
// take tokens without a bound, and no rule denies that.
func (l *linter) unbounded(method string) bool {
	name := nameOf(method)
	if !slices.Contains(approving(), name) || l.deniesCall(method) {
		return false
	}
	switch name {
	case "permit":
		return l.unboundedEffect(facts.Permit)
	case "setApprovalForAll", "authorizeOperator":
		return l.unboundedEffect(facts.ApproveAll)
	default:
		return l.unboundedEffect(facts.Approve)
	}
}

// unboundedEffect is unbounded for what is done to tokens. An approval of all of a
// collection is of all or of nothing.
func (l *linter) unboundedEffect(effect string) bool {
	return effect != facts.Transfer && !l.deniesEffects(effect) && (effect != facts.ApproveAll || !l.deniesUnlimited())
}

func nameOf(method string) string {
	name, _, _ := strings.Cut(method, "(")
	return strings.TrimSpace(name)
}

// selected are the names of the methods that the word selector names, as far as
// they are known.
func (m *Match) selected() []string {
	var names []string
	if by, ok := m.find("selector").(narrowing); ok {
		for _, number := range by.narrows().numbers {
			if name := facts.NameOf([4]byte(binary.BigEndian.AppendUint32(nil, uint32(number)))); name != "" { // #nosec G115 -- of 4 bytes
				names = append(names, name)
			}
		}
	}
	return names
}
