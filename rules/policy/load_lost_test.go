package policy

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestNothingIsLost gives each word values of all forms. It either is a predicate,
// or the policy does not load.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	values := []string{
		"2", "5", "-5", "true", "any", "self", "none", "payouts", "ours", "mainnet", "USDC", "1 ether", "5 USDC", "unlimited", "7d", "transfer", `""`, "0x12", "0x12345678",
		`"0x1111111111111111111111111111111111111111"`, "[]", "{}", "[5, 6]", "[payouts, self]", "[[5]]", "{a: b}", "{a: {max: 5}}", "{a: {}}", "prod/payouts",
		"[{any: true}]", `"transfer(address to, uint256 amount)"`, "{domain: a}", "{safe: payouts}", "{prefix: a}", "{days: mon, zone: UTC}", "[transfer, approve]",
		`"2026-11-26T18:00:00Z"`, "{name: a}", "{0: payouts}", `"` + zeroDomain + `"`, "[text, list]", "[ipc]",
	}
	const head = `version: 1
chains: {mainnet: 1}
accounts: {payouts: "0x1111111111111111111111111111111111111111"}
lists: {ours: [payouts]}
tokens: {USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}}
rules:
  - {id: a, effect: allow, match: {`
	for _, w := range words() {
		loaded := 0
		for _, value := range values {
			for _, beside := range []string{"", `, function: "transfer(address to, uint256 amount)"`, ", token: USDC"} {
				p, err := Load("p", []byte(head+w.key+": "+value+beside+"}}"), Options{})
				if err != nil {
					if strings.Contains(err.Error(), "why is not known") {
						t.Errorf("%s: %s%s: %v", w.key, value, beside, err)
					}
					continue
				}
				loaded++
				checkWords(t, &p.rules[0].Match)
			}
		}
		if loaded == 0 {
			t.Errorf("%s: no value loads", w.key)
		}
	}
}

// TestLostWord: a word that makes no predicate and tells no problem keeps the
// policy from loading.
func TestLostWord(t *testing.T) {
	t.Parallel()
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: 3, Column: 4}
	p := &parser{scope: newScope(), lost: node}
	if p.unexplained(); len(p.problems) != 1 || p.problems[0].Line != 3 {
		t.Errorf("the problems are %v", p.problems)
	}
	if p.unexplained(); len(p.problems) != 1 {
		t.Errorf("the problems are %v", p.problems)
	}
}
