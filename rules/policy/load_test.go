package policy

import (
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
}
