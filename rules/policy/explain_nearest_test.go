package policy

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
)

// tutorial is the first policy of the documentation, with rules as many have them besides.
const tutorial = `version: 1
chains: {dev: 1337}
accounts:
  hot: "0x71562b71999873DB5b286dF957af199Ec94617F7"
lists:
  friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]
rules:
  - {id: list, effect: allow, match: {principal: [local], kind: [list]}}
  - {id: mail, effect: allow, match: {method: [account_signData], principal: [local]}}
  - id: pay
    effect: allow
    match: {principal: [local], account: hot, chain: [dev], to: friends, plain: true, value_max: "1 ether", gas_max: 21000, fee_cap_max: "100 gwei"}
`

// TestTheNearestRuleIsAboutTheSame: a rule for lists of accounts differs in one word from
// every transaction, and is near to none.
func TestTheNearestRuleIsAboutTheSame(t *testing.T) {
	t.Parallel()
	p, err := Load("policy.yaml", []byte(tutorial), Options{})
	if err != nil {
		t.Fatal(err)
	}
	hot, friend := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7"), common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	for name, tt := range map[string]struct {
		from, to common.Address
		ether    int64
		want     string
	}{
		"another recipient":  {hot, other, 1, "rule pay (line 10): to (line 12) wants "},
		"too much":           {hot, friend, 2, "rule pay (line 10): value_max (line 12) wants "},
		"two words":          {hot, other, 2, "rule pay (line 10): "},
		"of another account": {other, friend, 1, "rule pay (line 10): account (line 12) wants hot, got "},
	} {
		req := asking(0, "local", "account_signTransaction", &types.DynamicFeeTx{To: &tt.to, Gas: 21000, GasFeeCap: gwei(1), Value: gwei(tt.ether * 1e9)})
		req.Account.Address, req.ChainID = tt.from, big.NewInt(1337)
		e := p.Explain(req, exampleAt)
		if e.Verdict != "reject" || e.Nearest != "pay" {
			t.Errorf("%s: %s, nearest is %q", name, e.Verdict, e.Nearest)
		}
		decision, _, err := p.Evaluate(t.Context(), req)
		if err != nil || !strings.HasPrefix(decision.Explanation, "no rule matches; "+tt.want) {
			t.Errorf("%s: %v\n%s", name, err, decision.Explanation)
		}
	}
	list := &rules.Request{Kind: rules.KindList, Method: "account_list", Principal: "anonymous"}
	if e := p.Explain(list, exampleAt); e.Nearest != "list" {
		t.Errorf("a list that is refused: nearest is %q", e.Nearest)
	}
}
