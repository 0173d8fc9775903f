package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// unlimited warns of matches of allow rules, and of those within them, that let
// anyone take tokens without a bound.
func (l *linter) unlimited(rule *Rule, m *Match, possible []string, by purse) {
	for i := range m.Inner {
		l.unlimited(rule, &m.Inner[i], possible, m.purseWithin(possible, by))
	}
	if m.caps("amount_max") || m.isPlain() || l.limitsAmount(rule, m) && (!by.tokens || m.ofSelf()) {
		return
	}
	word, methods := m.methods()
	effects := m.textsOf("effect")
	const remedy = "add amount_max, or a limit {measure: amount, ..} on the token"
	switch {
	case word == "function":
		if method := methods[0]; l.unbounded(rule, m, method) && !m.boundsArgument(method) {
			l.warn(rule, unboundedApproval, m.Lines[word], "allows approvals without a bound: %s", remedy)
		}
	case len(effects) > 0:
		if slices.ContainsFunc(effects, func(effect string) bool { return l.unboundedEffect(rule, m, effect) }) && !m.boundsMember(possible) {
			l.warn(rule, unboundedApproval, m.Lines["effect"], "allows approvals without a bound: %s", remedy)
		}
	case word != "":
		if slices.ContainsFunc(methods, func(method string) bool { return l.unbounded(rule, m, method) }) && !m.boundsMember(possible) {
			l.warn(rule, unboundedApproval, m.Lines[word], "allows approvals without a bound: %s", remedy)
		}
	case !l.anyCall(rule, m, possible) && by.around == nil:
		l.anyTyped(rule, m, possible)
	}
}

// anyCall warns of matches that say nothing of which calls they are about, and reports whether it did.
func (l *linter) anyCall(rule *Rule, m *Match, possible []string) bool {
	calls := slices.DeleteFunc(slices.Clone(possible), func(kind string) bool { return kind != facts.KindTransaction && kind != facts.KindSafe })
	if len(calls) == 0 || m.allowsLittleData() || m.pinsSafeData() {
		return false
	}
	const remedy = "add call, function or plain: true, or a rule that denies {effect: [approve, permit, approve_all, transfer]}"
	what := "approvals without a bound"
	if l.deniesEffects(rule, m, calls, facts.Approve, facts.Permit, facts.ApproveAll) {
		if l.deniesEffects(rule, m, calls, facts.Transfer) {
			return false
		}
		what = "transfers of all tokens to anyone"
	}
	l.warn(rule, anyCall, m.lineOf("to", "safe", "message", "domain"), "allows every call, %s among them: %s", what, remedy+l.orTyped(rule, m, possible))
	return true
}

// orTyped is what else may be meant by a rule that is about typed data.
func (l *linter) orTyped(rule *Rule, m *Match, possible []string) string {
	if m == &rule.Match && m.has("domain", "message") && slices.Contains(possible, facts.KindTypedData) {
		return "; typed data may be a Safe transaction: if that is not meant, add kind: [typed_data]"
	}
	return ""
}

// anyTyped warns of matches that say too little of typed data: it may be a permit, or move
// tokens itself.
func (l *linter) anyTyped(rule *Rule, m *Match, possible []string) {
	if !slices.Contains(possible, facts.KindTypedData) || m.boundsMember(possible) {
		return
	}
	permits, sends := m.handsOver()
	typed := []string{facts.KindTypedData}
	permits = permits && !l.deniesEffects(rule, m, typed, facts.Permit)
	sends = sends && !l.deniesEffects(rule, m, typed, facts.Transfer)
	const remedy = "add primary_type, or a rule that denies {kind: [typed_data], effect: [permit, transfer]}"
	switch line := m.lineOf("primary_type", "domain", "message", "kind"); {
	case m.has("primary_type"):
		if permits {
			l.warn(rule, unboundedApproval, line, "allows permits without a bound: add amount_max, or a limit {measure: amount, ..} on the token")
		}
	case permits:
		l.warn(rule, unboundedApproval, line, "allows permits without a bound, if the contract takes some: %s", remedy)
	case sends:
		l.warn(rule, unboundedAmount, line, "allows transfers by a signature (EIP-3009) of any amount, if the contract takes some: %s", remedy)
	}
}

// shortestApproval is the length of the shortest call data of an approval, which has a
// selector and an address at least.
const shortestApproval = 4 + 32

// allowsLittleData reports whether call data may have no room for an approval.
func (m *Match) allowsLittleData() bool {
	most := m.reachOf("data_max").bound
	return most != nil && most.LtUint64(shortestApproval)
}

// unbounded reports whether a method, by its name or its signature, lets others
// take tokens without a bound, and no rule denies that.
func (l *linter) unbounded(rule *Rule, m *Match, method string) bool {
	name := nameOf(method)
	if !slices.Contains(approving(), name) || l.deniesCall(rule, m, method) {
		return false
	}
	switch name {
	case "permit":
		return l.unboundedEffect(rule, m, facts.Permit)
	case "setApprovalForAll", "authorizeOperator":
		return l.unboundedEffect(rule, m, facts.ApproveAll)
	default:
		return l.unboundedEffect(rule, m, facts.Approve)
	}
}

// unboundedEffect is unbounded for what is done to tokens. An approval of all of a
// collection is of all or of nothing.
func (l *linter) unboundedEffect(rule *Rule, m *Match, effect string) bool {
	return effect != facts.Transfer && !l.deniesEffects(rule, m, possibleActs(rule), effect) && (effect != facts.ApproveAll || !l.deniesUnlimited(rule, m))
}
