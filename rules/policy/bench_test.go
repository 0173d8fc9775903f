package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// payeeOf is the recipient of the nth rule.
func payeeOf(n int) common.Address { return common.BigToAddress(big.NewInt(int64(1000 + n))) }

// ways are how the rules of a policy differ: how the nth of some is written, with
// the request that the last of them alone allows. Where the recipients differ, an
// index tells rules apart; the other ways leave all of them to be told by what
// they say.
func ways() map[string]func(nth, of int) string {
	pays := func(to common.Address, value string) string {
		return fmt.Sprintf("plain: true, to: %q, value_max: %q, gas_max: 30000, fee_cap_max: \"100 gwei\"", strings.ToLower(to.Hex()), value)
	}
	last := func(of int) common.Address { return payeeOf(of - 1) }
	return map[string]func(nth, of int) string{
		"recipient": func(nth, _ int) string { return pays(payeeOf(nth), "1 ether") },
		"value":     func(nth, of int) string { return pays(last(of), fmt.Sprintf("%d wei", nth)) },
		"bounds": func(nth, of int) string {
			return fmt.Sprintf("plain: true, to: %q, value_max: \"%d wei\", gas_max: %d, nonce_max: %d", strings.ToLower(last(of).Hex()), nth, 21000+of-nth, nth)
		},
		"time": func(nth, of int) string {
			return pays(last(of), "1 ether") + fmt.Sprintf(", not_before: %s", exampleAt.Add(time.Duration(of-1-nth)*time.Second).Format(time.RFC3339))
		},
		"function": func(nth, of int) string {
			return fmt.Sprintf("to: %q, function: \"f%d(address to, uint256 amount)\"", strings.ToLower(last(of).Hex()), of-1-nth)
		},
		"argument": func(nth, of int) string {
			return fmt.Sprintf("to: %q, function: \"f0(address to, uint256 amount)\", args: {to: %q}", strings.ToLower(last(of).Hex()), strings.ToLower(payeeOf(nth).Hex()))
		},
	}
}

// payments is a policy of n rules for one account that differ in a way, and of
// three that deny.
func payments(t testing.TB, n int, way string, limits string) *Policy {
	t.Helper()
	var b strings.Builder
	b.WriteString(strings.Repeat("#\n", 1000)) // the numbers of lines have four digits, with few rules too
	b.WriteString(`version: 1
chains: {mainnet: 1}
accounts: {payer: "0x1111111111111111111111111111111111111111"}
rules:
  - {id: no-create, effect: deny, match: {create: true}}
  - {id: no-delegate, effect: deny, match: {tx_type: [4]}}
  - {id: no-unlimited, effect: deny, match: {call: [approve, permit], amount: unlimited}}
`)
	for i := range n {
		fmt.Fprintf(&b, "  - {id: r%d, effect: allow, match: {principal: local, account: payer, chain: mainnet, %s}%s}\n", i, ways()[way](i, n), limits)
	}
	p, err := Load("payments.yaml", []byte(b.String()), Options{Now: func() time.Time { return exampleAt }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// paymentsScript is the same as a Clef rule file, by a table.
func paymentsScript(t testing.TB, n int) *clefjs.Ruleset {
	t.Helper()
	var b strings.Builder
	b.WriteString("var ether = new BigNumber(10).pow(18), fee = new BigNumber(10).pow(11), most = {\n")
	for i := range n {
		fmt.Fprintf(&b, "\t%q: {value: ether, gas: 30000, fee: fee},\n", strings.ToLower(payeeOf(i).Hex()))
	}
	b.WriteString(`}
function hex(text) { return new BigNumber(text.slice(2), 16) }
function ApproveTx(r) {
	var tx = r.transaction
	if (tx.from.toLowerCase() != "0x1111111111111111111111111111111111111111" || !tx.to || !hex(tx.chainId).eq(1)) { return "Reject" }
	if (tx.input && tx.input != "0x" || tx.data && tx.data != "0x" || tx.authorizationList) { return "Reject" }
	var rule = most[tx.to.toLowerCase()]
	if (!rule || hex(tx.value).gt(rule.value) || hex(tx.gas).gt(rule.gas) || hex(tx.maxFeePerGas).gt(rule.fee)) { return "Reject" }
	return "Approve"
}
`)
	r, err := clefjs.Load("payments.js", []byte(b.String()), clefjs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// paying is a payment to the address of the nth rule, which the last of n rules
// allows, in which way ever they differ.
func paying(n int, data []byte) *rules.Request {
	to := payeeOf(n)
	req := asking(1, "local", "account_signTransaction", &types.DynamicFeeTx{
		ChainID: big.NewInt(1), To: &to, Value: big.NewInt(int64(n)), Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(1), Nonce: uint64(n), Data: data,
	})
	mixed := common.NewMixedcaseAddress(to)
	req.TransactionArgs = &apitypes.SendTxArgs{
		From: common.NewMixedcaseAddress(repeated(1)), To: &mixed, Gas: 21000, Value: hexutil.Big(*big.NewInt(int64(n))), ChainID: (*hexutil.Big)(big.NewInt(1)),
		MaxFeePerGas: (*hexutil.Big)(gwei(2)), MaxPriorityFeePerGas: (*hexutil.Big)(gwei(1)), Nonce: hexutil.Uint64(n),
	}
	return req
}

// asks are what the last of n rules allows, and what none does.
func asks(t testing.TB, n int, way string) (last, none *rules.Request) {
	t.Helper()
	switch way {
	case "function":
		data := func(nth int) []byte {
			return calldatatest.Pack(t, fmt.Sprintf("f%d(address,uint256)", nth), payeeOf(0), big.NewInt(1))
		}
		return calls(n, data(0)), calls(n, data(n))
	case "argument":
		data := func(nth int) []byte { return calldatatest.Pack(t, "f0(address,uint256)", payeeOf(nth), big.NewInt(1)) }
		return calls(n, data(n-1)), calls(n, data(n))
	case "recipient":
		return paying(n-1, nil), paying(n, nil)
	default:
		last, none = paying(n-1, nil), paying(n-1, nil)
		to := payeeOf(n - 1)
		none.Transaction = types.NewTx(&types.DynamicFeeTx{
			ChainID: big.NewInt(1), To: &to, Value: new(big.Int).Lsh(common.Big1, 100), Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(1),
		})
		return last, none
	}
}

// calls is a call of the contract of the last of n rules, without ether.
func calls(n int, data []byte) *rules.Request {
	to := payeeOf(n - 1)
	return asking(1, "local", "account_signTransaction", &types.DynamicFeeTx{
		ChainID: big.NewInt(1), To: &to, Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(1), Data: data,
	})
}

// decide asks a rule, and wants the verdict.
func decide(t testing.TB, rule rules.Rule, req *rules.Request, want rules.Verdict) rules.Decision {
	t.Helper()
	decision, hold, err := rule.Evaluate(t.Context(), req)
	if hold != nil {
		hold.Drop()
	}
	if err != nil || decision.Verdict != want {
		t.Fatalf("%v, %v", decision, err)
	}
	return decision
}

// limits are those that each rule has of its own.
const limits = `, limits: [{measure: value, max: "1000000 ether", window: 24h, per: [account]}, {measure: signatures, max: 1000000, window: 1h, per: [account, recipient]}]`

// BenchmarkEvaluate judges what the last rule allows, also with what it counts
// against two limits in memory, and what none allows.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{10, 1000} {
		for _, way := range slices.Sorted(maps.Keys(ways())) {
			p, limited := payments(b, n, way, ""), payments(b, n, way, limits)
			last, none := asks(b, n, way)
			run := func(name string, do func()) {
				b.Run(fmt.Sprintf("%d rules/%s/%s", n, way, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						do()
					}
				})
			}
			run("last", func() { decide(b, p, last, rules.Approve) })
			run("none", func() { decide(b, p, none, rules.Reject) })
			ledger := memory.NewLedger(time.Now)
			run("limits", func() {
				id, err := ledger.Hold(b.Context(), decide(b, limited, last, rules.Approve).Charges)
				if err == nil {
					err = ledger.Release(b.Context(), id)
				}
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkAgainstClef judges the same requests by the same rules as a policy
// and as a Clef rule file, one after the other. The first decision of the policy
// finds in the processor's caches what the rule file has left there; those that
// follow, what a policy has.
func BenchmarkAgainstClef(b *testing.B) {
	const again = 10
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d rules", n), func(b *testing.B) {
			p, r := payments(b, n, "recipient", ""), paymentsScript(b, n)
			req := paying(n-1, nil)
			decide(b, p, paying(n, nil), rules.Reject)
			decide(b, r, paying(n, nil), rules.Reject)
			var first, others, script time.Duration
			for b.Loop() {
				began := time.Now()
				decide(b, p, req, rules.Approve)
				once := time.Now()
				for range again {
					decide(b, p, req, rules.Approve)
				}
				between := time.Now()
				decide(b, r, req, rules.Approve)
				first, others, script = first+once.Sub(began), others+between.Sub(once), script+time.Since(between)
			}
			b.ReportMetric(float64(first.Nanoseconds())/float64(b.N), "first-ns/op")
			b.ReportMetric(float64(others.Nanoseconds())/float64(b.N)/again, "others-ns/op")
			b.ReportMetric(float64(script.Nanoseconds())/float64(b.N), "clef-ns/op")
			b.ReportMetric(float64(script)/float64(first), "first-ratio")
			b.ReportMetric(float64(script)/float64(others)*again, "others-ratio")
		})
	}
}

// TestAllocationsDoNotGrow: a decision takes no more with a thousand rules than
// with ten, also where nothing but what they say tells them apart, and where none
// of them allows.
func TestAllocationsDoNotGrow(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	for way := range ways() {
		count := func(n int) (allowed, refused float64) {
			p := payments(t, n, way, limits)
			last, none := asks(t, n, way)
			allowed = testing.AllocsPerRun(20, func() { decide(t, p, last, rules.Approve) })
			refused = testing.AllocsPerRun(20, func() { decide(t, p, none, rules.Reject) })
			return allowed, refused
		}
		fewAllowed, fewRefused := count(10)
		manyAllowed, manyRefused := count(1000)
		if manyAllowed > fewAllowed+8 || manyRefused > fewRefused+8 { // fmt and the race detector take some more at times
			t.Errorf("%s: %v and %v allocations with 10 rules, %v and %v with 1000", way, fewAllowed, fewRefused, manyAllowed, manyRefused)
		}
	}
}
