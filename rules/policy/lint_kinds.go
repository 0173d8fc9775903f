package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// signs reports whether requests of a kind use a key.
func signs(kind string) bool { return kind != facts.KindList && kind != facts.KindNewAccount }

// acts reports whether requests of a kind have actions.
func acts(kind string) bool {
	return kind == facts.KindTransaction || kind == facts.KindSafe || kind == facts.KindTypedData
}

// kinds are those that a match can match, by its words.
func (m *Match) kinds() []string {
	possible := kinds()
	keep := func(has func(kind string) bool) {
		possible = slices.DeleteFunc(possible, func(kind string) bool { return !has(kind) })
	}
	if named := m.textsOf("kind"); named != nil {
		keep(func(kind string) bool { return slices.Contains(named, kind) })
	}
	if methods := m.textsOf("method"); methods != nil {
		keep(func(kind string) bool {
			return slices.ContainsFunc(methods, func(method string) bool { return mayAsk(method, kind) })
		})
	}
	if m.has("chain") {
		keep(func(kind string) bool { return acts(kind) || kind == facts.KindPayload }) // others have none
	}
	for _, predicates := range [][]predicate{m.Request, m.Action, m.Effects} {
		for _, p := range predicates {
			if of := wordTable()[p.key()].kinds; of != nil {
				keep(func(kind string) bool { return slices.Contains(of, kind) })
			}
		}
	}
	if m.asksActions() {
		keep(acts)
	}
	if m.has("plain", "delegate_call", "data_max", "selector", "function") {
		keep(func(kind string) bool { return kind != facts.KindTypedData }) // calls have these
	}
	if !m.mayBeSafe() {
		keep(func(kind string) bool { return kind != facts.KindSafe })
	}
	return possible
}

// mayAsk reports whether a JSON-RPC method may ask for a kind. One that is not
// known may ask for any.
func mayAsk(method, kind string) bool {
	switch method {
	case "account_list", "eth_accounts":
		return kind == facts.KindList
	case "account_new":
		return kind == facts.KindNewAccount
	case "account_signTransaction", "eth_signTransaction", "eth_sendTransaction":
		return kind == facts.KindTransaction
	case "eth_sign", "personal_sign":
		return kind == facts.KindText
	case "account_signTypedData", "eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4":
		return kind == facts.KindTypedData || kind == facts.KindSafe
	case "opsigner_signBlockPayload", "opsigner_signBlockPayloadV2":
		return kind == facts.KindPayload
	case "account_signGnosisSafeTx":
		return kind == facts.KindSafe
	default:
		return true
	}
}
