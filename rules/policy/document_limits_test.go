package policy

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
)

// TestALimitOnEveryTokenKnowsCollections: a policy's word on what a token is
// keeps ids from being counted as amounts.
func TestALimitOnEveryTokenKnowsCollections(t *testing.T) {
	t.Parallel()
	p, err := Load("every.yaml", []byte(`version: 1
chains: {mainnet: 1}
tokens:
  APE: {chain: mainnet, address: "0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d", standard: erc721}
  USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}
rules:
  - id: send
    effect: allow
    match: {call: [transferFrom]}
    limits: [{measure: amount, max: 1000, window: 24h, per: [token]}]
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]uint64{"0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d": 1, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48": 8888} {
		data := calldatatest.Pack(t, "transferFrom(address,address,uint256)", hotAddress, paidTo, big.NewInt(8888))
		charges, err := p.rules[0].Limits[0].Charges(facts.Of(spends(common.HexToAddress(token), 0, data), time.Unix(0, 0)))
		if err != nil || len(charges) != 1 || charges[0].Amount.Uint64() != want {
			t.Errorf("%s: %+v, %v", token, charges, err)
		}
	}
}

// TestALimitKeepsItsTotalWhenPerIsReordered: what has no id is named by what it is
// kept apart for, in whatever order that is written.
func TestALimitKeepsItsTotalWhenPerIsReordered(t *testing.T) {
	t.Parallel()
	const rule = `rules: [{id: pay, effect: allow, match: {principal: [local], plain: true}, limits: [`
	for _, per := range []string{"[account, recipient, chain]", "[recipient, account, chain]", "[chain, recipient, account]"} {
		p, err := Load("per.yaml", []byte(namesOfPromises+rule+`{measure: value, max: "1 ether", window: 24h, per: `+per+`}]}]`), Options{})
		if err != nil {
			t.Fatal(err)
		}
		charges, err := p.rules[0].Limits[0].Charges(facts.Of(spends(paidTo, 5, nil), time.Unix(0, 0)))
		const want = "pay/value/account/recipient/chain/value/account=0x1111111111111111111111111111111111111111/chain=1/recipient=0x4444444444444444444444444444444444444444"
		if err != nil || len(charges) != 1 || charges[0].Counter != want {
			t.Errorf("%s: %+v, %v", per, charges, err)
		}
	}
	_, err := Load("per.yaml", []byte(namesOfPromises+rule+`{measure: value, max: "1 ether", window: 24h, per: [account, chain]}, {measure: value, max: "2 ether", window: 7d, per: [chain, account]}]}]`), Options{})
	if err == nil || !strings.Contains(err.Error(), "give both an id") {
		t.Errorf("two of the same total: %v", err)
	}
}
