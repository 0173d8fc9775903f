package policy

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// TestNamedMethods: every method that a policy names is known by it.
func TestNamedMethods(t *testing.T) {
	t.Parallel()
	p, err := Load("policy.yaml", []byte(`
version: 1
chains: {main: 1}
budgets:
  - {id: day, measure: argument, function: "counted(uint amount)", argument: amount, max: 5, window: 24h, match: {call: ["budgeted()"]}}
rules:
  - {id: no, effect: deny, match: {call: ["denied(bytes)", transfer]}}
  - id: yes
    effect: allow
    match:
      call: ["allowed(uint256)", "allowed(uint)"]
      inner:
        - {function: "within((bytes32 name, address owner) entry)", args: {entry.owner: self}}
        - {call: ["many_msg_babbage(bytes1)", "transfer(address,uint256)"]}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, signatures := range [][]string{
		{"counted(uint256)"},
		{"budgeted()"},
		{"denied(bytes)"},
		{"allowed(uint256)"},
		{"within((bytes32,address))"},
		{"many_msg_babbage(bytes1)", "transfer(address,uint256)"},
	} {
		if got := p.Signatures([4]byte(crypto.Keccak256([]byte(signatures[0])))); !slices.Equal(got, signatures) {
			t.Errorf("got %q, want %q", got, signatures)
		}
	}
	if got := p.Signatures([4]byte(crypto.Keccak256([]byte("approve(address,uint256)")))); got != nil {
		t.Errorf("not named: %q", got)
	}
}

func TestNames(t *testing.T) {
	p, err := Load("policy.yaml", []byte(`
version: 1
chains: {main: 1, test: 11155111}
accounts: {payouts: "0x1111111111111111111111111111111111111111"}
tokens:
  USDC: {chain: main, address: "0x2222222222222222222222222222222222222222", decimals: 6}
lists:
  ours: [payouts, "0x3333333333333333333333333333333333333333"]
  again: ["0x3333333333333333333333333333333333333333"]
approvals:
  board: {threshold: 1, of: [carol]}
  finance: {threshold: 2, of: [alice, bob]}
rules: [{id: all, effect: deny, match: {any: true}}]
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := common.HexToAddress
	names := p.NamesOf([]common.Address{
		address("0x1111111111111111111111111111111111111111"), address("0x2222222222222222222222222222222222222222"),
		address("0x3333333333333333333333333333333333333333"), address("0x4444444444444444444444444444444444444444"),
	})
	for digits, want := range map[string][]Name{
		"0x1111111111111111111111111111111111111111": {{Kind: NameOfAccount, Name: "payouts"}, {Kind: NameOfList, Name: "ours"}},
		"0x2222222222222222222222222222222222222222": {{Kind: NameOfToken, Name: "USDC", Chain: 1, Standard: "erc20", Decimals: 6}},
		"0x3333333333333333333333333333333333333333": {{Kind: NameOfList, Name: "again"}, {Kind: NameOfList, Name: "ours"}},
		"0x4444444444444444444444444444444444444444": nil,
	} {
		if got := names[address(digits)]; !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", digits, got, want)
		}
	}
	if p.ChainName(11155111) != "test" || p.ChainName(10) != "" {
		t.Errorf("chains %q, %q", p.ChainName(11155111), p.ChainName(10))
	}
	groups := p.Groups()
	if len(groups) != 2 || groups[0].String() != "1 of board" || groups[1].String() != "2 of finance" {
		t.Errorf("groups %v", groups)
	}
}
