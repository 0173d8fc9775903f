package policy

import (
	"strings"
	"testing"
)

// idsOf lints budgets and one rule, with the names of the word tests.
func idsOf(t *testing.T, budgets, rule string) string {
	t.Helper()
	head, _, _ := strings.Cut(wordScope, "rules:")
	if budgets != "" {
		head += "budgets: [" + budgets + "]\n"
	}
	p, err := Load("lint.yaml", []byte(head+"rules: [{id: a, effect: allow, "+rule+"}]\n"), Options{})
	if err != nil {
		t.Fatalf("%s: %v", rule, err)
	}
	var ids []string
	for _, w := range Lint(p) {
		if w.ID != anyChain { // which has a test of its own
			ids = append(ids, w.ID)
		}
	}
	return strings.Join(ids, " ")
}

// TestLintFees: a transaction has a fee that is bounded, by the rule, its limits or a
// budget that counts what the rule matches.
func TestLintFees(t *testing.T) {
	t.Parallel()
	const (
		pays   = `match: {principal: local, chain: mainnet, to: payees, plain: true, value_max: "1 ether"`
		count  = `limits: [{measure: signatures, max: 9, window: 1h}`
		budget = `{id: gas, measure: gas_cost, max: "1 ether", window: 1h, match: `
	)
	for name, tt := range map[string]struct{ budgets, rule, want string }{
		"none":                      {"", pays + `}, ` + count + `]`, unboundedFee},
		"gas alone":                 {"", pays + `, gas_max: 21000}, ` + count + `]`, unboundedFee},
		"a price alone":             {"", pays + `, fee_cap_max: "9 gwei"}, ` + count + `]`, unboundedFee},
		"a tip":                     {"", pays + `, gas_max: 21000, tip_cap_max: "9 gwei"}, ` + count + `]`, unboundedFee},
		"gas and price":             {"", pays + `, gas_max: 21000, fee_cap_max: "9 gwei"}, ` + count + `]`, ""},
		"the cost":                  {"", pays + `, gas_cost_max: "1 ether"}, ` + count + `]`, ""},
		"all that is spent":         {"", pays + `, spend_max: "1 ether"}, ` + count + `]`, ""},
		"a limit on the cost":       {"", pays + `}, ` + count + `, {measure: gas_cost, max: "1 ether", window: 1h}]`, ""},
		"a limit on what is spent":  {"", pays + `}, ` + count + `, {measure: spend, max: "1 ether", window: 1h}]`, ""},
		"a limit on the value":      {"", pays + `}, ` + count + `, {measure: value, max: "1 ether", window: 1h}]`, unboundedFee},
		"a budget":                  {budget + `{any: true}}`, pays + `}, ` + count + `]`, ""},
		"a budget of transactions":  {budget + `{kind: transaction}}`, pays + `, kind: transaction}, ` + count + `]`, ""},
		"a budget of its chain":     {budget + `{chain: [mainnet, 5]}}`, pays + `}, ` + count + `]`, ""},
		"a budget of another chain": {budget + `{chain: 5}}`, pays + `}, ` + count + `]`, unboundedFee},
		"a budget of another payee": {budget + `{to: payer}}`, pays + `}, ` + count + `]`, unboundedFee},
		"a budget of what it pays":  {budget + `{to: [payees, payer]}}`, pays + `}, ` + count + `]`, ""},
		"a budget of other things":  {`{id: gas, measure: value, max: "1 ether", window: 1h, match: {any: true}}`, pays + `}, ` + count + `]`, unboundedFee},
		"approvals by people":       {"", pays + `}, approvals: g`, unboundedFee},
		"no transaction":            {"", `match: {principal: local, kind: safe_transaction, chain: mainnet, to: payees, plain: true, value_max: "1 ether"}, ` + count + `]`, ""},
		"a budget of its kind":      {budget + `{kind: transaction}}`, pays + `, nonce_max: 5}, ` + count + `]`, ""},
		"a budget for transactions": {budget + `{kind: transaction}}`, pays + `}, ` + count + `]`, ""},
		"a budget for others":       {budget + `{kind: safe_transaction}}`, pays + `}, ` + count + `]`, unboundedFee},
	} {
		if got := idsOf(t, tt.budgets, tt.rule); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestLintAmountsByBudgets: a budget on the amount of each token bounds approvals too.
func TestLintAmountsByBudgets(t *testing.T) {
	t.Parallel()
	const rule = `match: {principal: local, chain: mainnet, to: payees, token: USDC, call: approve, recipient: payees, gas_cost_max: "1 ether"}, limits: [{measure: signatures, max: 9, window: 1h}]`
	for budget, want := range map[string]string{
		`match: {chain: mainnet}, max: "9 USDC"`:            "",
		`match: {token: USDC}, max: "9 USDC"`:               "",
		`match: {token: USDC}, max: 9, per: [token]`:        "",
		`match: {chain: mainnet}, max: "9 DAI"`:             unboundedApproval,
		`match: {effect: transfer}, max: "9 USDC"`:          unboundedApproval,
		`match: {chain: mainnet, to: payer}, max: "9 USDC"`: unboundedApproval,
	} {
		if got := idsOf(t, `{id: b, measure: amount, window: 1h, `+budget+`}`, rule); got != want {
			t.Errorf("%s: %q, want %q", budget, got, want)
		}
	}
}
