package policy

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
)

// payeeOf is the recipient of the nth rule.
func payeeOf(n int) common.Address { return common.BigToAddress(big.NewInt(int64(1000 + n))) }

// payments is a policy of n rules for one account, and three that deny. Each
// allows payments to another address; where they are alike, all to one address,
// and only the last as much as is asked for: no index helps then.
func payments(t testing.TB, n int, alike bool) *Policy {
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
		to, value := payeeOf(i), "1 ether"
		if alike {
			to, value = payeeOf(n-1), fmt.Sprintf("%d wei", i)
		}
		fmt.Fprintf(&b, "  - {id: r%d, effect: allow, match: {principal: local, account: payer, chain: mainnet, plain: true, to: %q, value_max: %q, gas_max: 30000, fee_cap_max: \"100 gwei\"}}\n",
			i, strings.ToLower(to.Hex()), value)
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

// paying is a payment to the address of the nth rule.
func paying(n int) *rules.Request {
	to := payeeOf(n)
	req := asking(1, "local", "account_signTransaction", &types.DynamicFeeTx{
		ChainID: big.NewInt(1), To: &to, Value: big.NewInt(int64(n)), Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(1),
	})
	mixed := common.NewMixedcaseAddress(to)
	req.TransactionArgs = &apitypes.SendTxArgs{
		From: common.NewMixedcaseAddress(repeated(1)), To: &mixed, Gas: 21000, Value: hexutil.Big(*big.NewInt(int64(n))), ChainID: (*hexutil.Big)(big.NewInt(1)),
		MaxFeePerGas: (*hexutil.Big)(gwei(2)), MaxPriorityFeePerGas: (*hexutil.Big)(gwei(1)),
	}
	return req
}

// decide asks a rule, and wants the verdict.
func decide(t testing.TB, rule rules.Rule, req *rules.Request, want rules.Verdict) {
	t.Helper()
	decision, hold, err := rule.Evaluate(t.Context(), req)
	if hold != nil {
		hold.Drop()
	}
	if err != nil || decision.Verdict != want {
		t.Fatalf("%v, %v", decision, err)
	}
}

// BenchmarkEvaluate judges what the last rule allows, and what none does.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{10, 1000} {
		for _, alike := range []bool{false, true} {
			p := payments(b, n, alike)
			name := map[bool]string{false: "apart", true: "alike"}[alike]
			b.Run(fmt.Sprintf("%d rules/%s/last", n, name), func(b *testing.B) {
				b.ReportAllocs()
				req := paying(n - 1)
				for b.Loop() {
					decide(b, p, req, rules.Approve)
				}
			})
			b.Run(fmt.Sprintf("%d rules/%s/none", n, name), func(b *testing.B) {
				b.ReportAllocs()
				req := paying(n + 1)
				for b.Loop() {
					decide(b, p, req, rules.Reject)
				}
			})
		}
	}
}

// BenchmarkAgainstClef judges the same requests by the same rules as a policy
// and as a Clef rule file, one after the other.
func BenchmarkAgainstClef(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d rules", n), func(b *testing.B) {
			p, r := payments(b, n, false), paymentsScript(b, n)
			req := paying(n - 1)
			decide(b, p, paying(n), rules.Reject)
			decide(b, r, paying(n), rules.Reject)
			var policy, script time.Duration
			for b.Loop() {
				began := time.Now()
				decide(b, p, req, rules.Approve)
				between := time.Now()
				decide(b, r, req, rules.Approve)
				policy, script = policy+between.Sub(began), script+time.Since(between)
			}
			b.ReportMetric(float64(policy.Nanoseconds())/float64(b.N), "policy-ns/op")
			b.ReportMetric(float64(script.Nanoseconds())/float64(b.N), "clef-ns/op")
			b.ReportMetric(float64(script)/float64(policy), "ratio")
		})
	}
}

// TestAllocationsDoNotGrow: a decision takes no more with a thousand rules than
// with ten, also where each of them must be asked.
func TestAllocationsDoNotGrow(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	for _, alike := range []bool{false, true} {
		count := func(n int) float64 {
			p, req := payments(t, n, alike), paying(n-1)
			return testing.AllocsPerRun(20, func() { decide(t, p, req, rules.Approve) })
		}
		if few, many := count(10), count(1000); many > few+8 { // fmt and the race detector take some more at times
			t.Errorf("alike %v: %v allocations with 10 rules, %v with 1000", alike, few, many)
		}
	}
}
