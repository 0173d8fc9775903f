package policy

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
)

// lines are words with some values each.
func lines() [][]string {
	const f = `function: "transfer(address to, uint256 amount)", `
	return [][]string{
		{"principal: local", "principal: [local, batcher.prod]"},
		{"account: payer", "account: ours"},
		{"chain: mainnet", "chain: 5", "chain: [1, 5]"},
		{"kind: transaction", "kind: [transaction, safe_transaction, typed_data]", "kind: text"},
		{"tx_type: 2", "tx_type: [0, 2, 3]"},
		{"create: false", "create: true", "delegate_any_chain: true"},
		{`delegate_to: "0x6666666666666666666666666666666666666666"`},
		{"gas_max: 20999", "gas_max: 21000", "gas_max: 30000"},
		{"fee_cap_max: 0 wei", "fee_cap_max: 1 wei", "fee_cap_max: 3 gwei"},
		{"gas_cost_max: 21000 wei", "spend_max: 1 ether", "nonce_max: 5", "nonce_max: 6"},
		{"not_before: 2026-11-26T12:00:00Z", "not_before: 2027-11-26T12:00:00Z"},
		{"to: payees", "to: USDC_itself", "to: [payer, payees]", "to: self", "to: vaults"},
		{"value_max: 0 wei", "value_max: 1 wei", "value_max: 1 ether"},
		{"value_min: 0 wei", "value_min: 1 wei", "value_min: 2 ether"},
		{"plain: true", "plain: false", "data_max: 0", "data_max: 67", "data_max: 68", "data_max: 4096"},
		{"call: transfer", "call: [approve, permit]", `call: "transfer(address,uint256)"`, "call: [multiSend, transfer]", `selector: "0xa9059cbb"`, "delegate_call: false"},
		{f + "args: {to: payees}", f + "args: {amount: {max: 4}}", f + "args: {amount: {max: 5}}", f + "args: {amount: {min: 4, max: 5}, to: payees}", f + "args: {to: self}", f + "args: {to: vaults}", f + "args: {0: [payees, vaults], 1: 5}", `function: "approve(address to, uint256 amount)", args: {amount: {max: 4}}`},
		{"effect: transfer", "effect: [approve, permit]"},
		{"token: USDC", "token: [USDC, DAI]", "token: USDC_itself", `token: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"`, `token: [USDC, "0x00000000000000000000000000000000000000da"]`},
		{"recipient: payees", "recipient: self", "owner: self", "recipient: vaults"},
		{"amount_max: 0 USDC", "amount_max: 0.000005 USDC", "amount_max: 5 USDC", "amount_max: 0.000000000000000005 DAI", "amount_max: 1 DAI"},
		{"amount_min: 0 USDC", "amount_min: 0.000005 USDC", "amount_min: 6 USDC", "amount: unlimited", "deadline_within: 30d", "token_id: 5"},
		{"message: {spender: payees}", "message: {spender: [payees, vaults]}", "message: {value: {max: 4999999}}", "message: {value: {max: 5000000}, spender: payees}", `message: {to: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"}`, `message: {to: "0x4444444444444444444444444444444444444444"}`, "message: {deadline: {within: 5m}}"},
		{"payload_domain: \"" + zeroDomain + "\""},
		{"inner: any", "inner: [{call: transfer, recipient: payees}, {value_max: 5 wei}]", "inner: [{value_max: 1 wei}]"},
	}
}

const namesOfLines = `version: 1
chains: {mainnet: 1}
accounts: {payer: "0x1111111111111111111111111111111111111111"}
tokens:
  USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}
  DAI: {chain: mainnet, address: "0x00000000000000000000000000000000000000da", decimals: 18}
lists:
  ours: ["0x1111111111111111111111111111111111111111", "0x5555555555555555555555555555555555555555"]
  payees: ["0x4444444444444444444444444444444444444444"]
  vaults: ["0x8888888888888888888888888888888888888888"]
  USDC_itself: ["0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"]
rules:
`

// lineOf returns a random rule. Many do not load, as their words contradict.
func lineOf(r *rand.Rand, all [][]string) string {
	var match []string
	for _, i := range r.Perm(len(all))[:1+r.IntN(4)] {
		match = append(match, all[i][r.IntN(len(all[i]))])
	}
	effect := []string{"allow", "allow", "deny"}[r.IntN(3)]
	return fmt.Sprintf("effect: %s, match: {%s}}", effect, strings.Join(match, ", "))
}

// factsOfLines are those of real requests.
func factsOfLines(t *testing.T) []*facts.Facts {
	t.Helper()
	pay := func(token, to common.Address, amount int64) *rules.Request {
		return spends(token, 0, calldatatest.Pack(t, "transfer(address,uint256)", to, big.NewInt(amount)))
	}
	transfer := pay(usdcAddress, paidTo, 5).Transaction.Data()
	batch := calldatatest.Pack(t, "multiSend(bytes)", append(packed(0, usdcAddress, transfer), packed(0, paidTo, nil)...))
	approval := calldatatest.Pack(t, "approve(address,uint256)", paidTo, new(big.Int).Lsh(big.NewInt(1), 200))
	delegated := func(m map[string]any) { m["operation"] = "1" }
	asked := []*rules.Request{
		pay(usdcAddress, paidTo, 5), pay(usdcAddress, hotAddress, 4), pay(usdcAddress, paidTo, 6_000_000), pay(usdcAddress, thief, 0), pay(common.Address{19: 0xda}, paidTo, 5),
		spends(usdcAddress, 0, approval), spends(usdcAddress, 1, transfer[:40]), spends(usdcAddress, 0, transfer[:3]), spends(paidTo, 1, nil), spends(hotAddress, 0, nil),
		payloadOf(1, 0), payloadOf(5, 1),
		spends(multiSend14, 0, batch), spends(multiSend14, 0, batch[:len(batch)-32]), safeTx(rules.KindSafe, multiSend14, batch, delegated), safeTx(rules.KindSafe, usdcAddress, transfer, nil),
		safeTx(rules.KindTypedData, thief, transfer, delegated), permitOf(usdcAddress, paidTo, nil), permitOf(usdcAddress, thief, big.NewInt(1)), permitOf(usdcAddress, paidTo, big.NewInt(5)),
	}
	asked = append(asked, &rules.Request{ // an address that is written as text
		Kind: rules.KindTypedData, Account: rules.Account{Address: hotAddress}, Principal: "local", Digest: common.Hash{9},
		TypedData: &apitypes.TypedData{
			Types: apitypes.Types{"EIP712Domain": {{Type: "string", Name: "name"}}, "Mail": {{Type: "string", Name: "to"}}}, PrimaryType: "Mail",
			Domain: apitypes.TypedDataDomain{Name: "Mail"}, Message: map[string]any{"to": strings.ToLower(paidTo.Hex())},
		},
	})
	for _, req := range requestsOf(t) {
		asked = append(asked, req)
	}
	var all []*facts.Facts
	for _, req := range asked {
		all = append(all, facts.Of(req, exampleAt))
	}
	return all
}

// TestWordsTogether judges real requests by policies of random words: as the
// definition does, and each rule as it judges in a policy of its own, where no
// word is shared with another rule.
func TestWordsTogether(t *testing.T) {
	t.Parallel()
	r, all := rand.New(rand.NewPCG(3, 4)), lines()
	asked := factsOfLines(t)
	var alone []*Policy
	var sources []string
	add := func(line string) {
		p, err := Load("alone.yaml", []byte(namesOfLines+"  - {id: it, "+line+"\n"), Options{})
		if err == nil {
			alone, sources = append(alone, p), append(sources, line)
		}
	}
	for _, of := range all {
		for _, line := range of {
			add("effect: allow, match: {" + line + "}}")
		}
	}
	for len(alone) < 600 {
		add(lineOf(r, all))
	}
	matched, verdicts := map[bool]int{}, map[rules.Verdict]int{}
	for range 30 {
		chosen := r.Perm(len(alone))
		about := all[r.IntN(len(all))] // half of the rules have one of its words, so that they are alike
		alike := slices.DeleteFunc(slices.Clone(chosen), func(at int) bool {
			return !slices.ContainsFunc(about, func(line string) bool {
				word, _, _ := strings.Cut(line, ":")
				return strings.Contains(sources[at], word+":")
			})
		})
		chosen = append(alike[:min(50, len(alike))], chosen[:50]...)
		var b strings.Builder
		b.WriteString(namesOfLines)
		for i, at := range chosen {
			fmt.Fprintf(&b, "  - {id: r%d, %s\n", i, sources[at])
		}
		p, err := Load("together.yaml", []byte(b.String()), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range asked {
			for i, at := range chosen {
				matches := slowHolds
				if p.rules[i].Effect == Allow {
					matches = slowCovers
				}
				got, want := matches(&p.rules[i].Match, f), matches(&alone[at].rules[0].Match, f)
				if got != want {
					t.Fatalf("%s: matches among others: %v, alone: %v", sources[at], got, want)
				}
				matched[got]++
			}
			sameMatches(t, p, f)
			got, rule := p.judge(f), ""
			if got.rule != nil {
				rule = got.rule.ID
			}
			if verdict, want := slowJudge(p, f); got.verdict != verdict || rule != want {
				t.Fatalf("%v by %q, want %v by %q, of\n%s", got.verdict, rule, verdict, want, b.String())
			}
			verdicts[got.verdict]++
		}
	}
	if matched[true] < 1000 || verdicts[rules.Approve] < 10 || verdicts[rules.Reject] < 100 {
		t.Errorf("matched %v, verdicts %v", matched, verdicts)
	}
}
