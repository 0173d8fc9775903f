package policy

import (
	"crypto/sha256"
	"testing"
)

const small = `version: 1
chains: {mainnet: 1}
accounts: {payouts: "0x1111111111111111111111111111111111111111"}
rules:
  - id: pay
    effect: allow
    match: {principal: [local], account: payouts, chain: mainnet, gas_max: 21000}
    limits: [{measure: gas_cost, max: "0.2 ether", window: 7d}]
`

func TestLoad(t *testing.T) {
	t.Parallel()
	p, err := Load("small.yaml", []byte(small), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rules := p.Rules(); len(rules) != 1 || rules[0].ID != "pay" || len(rules[0].Match.Request) != 4 || rules[0].Limits[0].ID != "pay/gas_cost" {
		t.Errorf("rules: %+v", rules)
	}
	if p.Name() != "small.yaml" || p.Hash() != sha256.Sum256([]byte(small)) {
		t.Errorf("the policy %s with the hash %x", p.Name(), p.Hash())
	}
	rules, limits := p.Rules(), p.Limits()
	rules[0].Limits[0].ID, limits[0].ID, rules[0].ID = "other", "other", "other"
	if again := p.Rules(); again[0].ID != "pay" || again[0].Limits[0].ID != "pay/gas_cost" || p.Limits()[0].ID != "pay/gas_cost" {
		t.Error("a copy changes the policy")
	}
}
