package policy

import (
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// exampleAt is when the requests of the example are judged.
var exampleAt = time.Unix(1_800_000_000, 0)

// example loads the policy of the tests, by a clock that stands.
func example(t testing.TB) *Policy {
	t.Helper()
	source, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load("example.yaml", source, Options{Now: func() time.Time { return exampleAt }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// repeated is an address of one digit.
func repeated(digit byte) common.Address {
	var address common.Address
	for i := range address {
		address[i] = digit<<4 | digit
	}
	return address
}

// asking is a transaction request for the example.
func asking(account byte, principal, method string, tx types.TxData) *rules.Request {
	made := types.NewTx(tx)
	return &rules.Request{
		Kind: rules.KindTransaction, Account: rules.Account{Address: repeated(account)}, Principal: principal, Method: method,
		ChainID: big.NewInt(1), Transaction: made, Digest: crypto.Keccak256Hash(made.Data(), []byte{byte(made.Nonce())}),
	}
}

func gwei(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)) }

// treasuryPays is a transfer of USDC, in cents.
func treasuryPays(to common.Address, cents int) *rules.Request {
	return asking(2, "payouts", "eth_signTransaction", &types.DynamicFeeTx{
		ChainID: big.NewInt(1), To: &usdc, Gas: 100_000, GasFeeCap: gwei(100), GasTipCap: gwei(1),
		Data: common.FromHex(call(transferSelector, to, cents*10_000)),
	})
}

func TestExampleDecides(t *testing.T) {
	t.Parallel()
	p := example(t)
	inbox := common.HexToAddress("0xff00000000000000000000000000000000000010")
	batch := func(to common.Address, value int64, data []byte) *rules.Request {
		return asking(1, "batcher.prod", "eth_signTransaction", &types.DynamicFeeTx{
			ChainID: big.NewInt(1), To: &to, Value: big.NewInt(value), Gas: 1_000_000, GasFeeCap: gwei(300), GasTipCap: gwei(1), Data: data,
		})
	}
	approve := asking(2, "payouts", "eth_signTransaction", &types.DynamicFeeTx{ChainID: big.NewInt(1), To: &usdc, Data: common.FromHex(approveSelector + "000000000000000000000000" + payee.Hex()[2:] + "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")})
	chain := batch(inbox, 0, []byte{1, 2, 3, 4, 5})
	chain.ChainID = big.NewInt(2)
	for name, tt := range map[string]struct {
		req     *rules.Request
		verdict rules.Verdict
		rule    string
		over    string
		counted int // charges
	}{
		"a batch":                  {batch(inbox, 0, []byte{1, 2, 3, 4, 5}), rules.Approve, "batcher", "", 3},
		"a batch that pays":        {batch(inbox, 1, []byte{1, 2, 3, 4, 5}), rules.Reject, "", "", 0},
		"a batch to another":       {batch(payee, 0, []byte{1, 2, 3, 4, 5}), rules.Reject, "", "", 0},
		"a batch of another":       {asking(2, "batcher.prod", "eth_signTransaction", &types.DynamicFeeTx{To: &inbox}), rules.Reject, "", "", 0},
		"a batch elsewhere":        {chain, rules.Reject, "", "", 0},
		"a batch of two bytes":     {batch(inbox, 0, []byte{1, 2}), rules.Reject, "no-unlimited", "", 0},
		"a small payment":          {treasuryPays(payee, 1_000_000), rules.Approve, "treasury-small", "finance", 3},
		"a large payment":          {treasuryPays(payee, 1_000_001), rules.Refer, "treasury-large", "", 2},
		"too large a payment":      {treasuryPays(payee, 50_000_001), rules.Reject, "", "", 0},
		"a payment to another":     {treasuryPays(other, 1), rules.Reject, "", "", 0},
		"an unlimited allowance":   {approve, rules.Reject, "no-unlimited", "", 0},
		"a creation":               {asking(1, "batcher.prod", "eth_signTransaction", &types.LegacyTx{Data: []byte{1}}), rules.Reject, "no-create", "", 0},
		"a message":                {&rules.Request{Kind: rules.KindText, Account: rules.Account{Address: repeated(2)}, Principal: "payouts"}, rules.Reject, "", "", 0},
		"a listing":                {&rules.Request{Kind: rules.KindList, Principal: "payouts"}, rules.Reject, "", "", 0},
		"a transfer not of USDC":   {asking(2, "payouts", "", &types.DynamicFeeTx{To: &payee, Data: common.FromHex(call(transferSelector, payee, 1))}), rules.Reject, "", "", 0},
		"arguments that don't fit": {asking(2, "payouts", "", &types.DynamicFeeTx{To: &usdc, Data: common.FromHex(call(transferSelector, payee))}), rules.Reject, "no-unlimited", "", 0},
	} {
		got, hold, err := p.Evaluate(t.Context(), tt.req)
		if err != nil || hold != nil {
			t.Errorf("%s: %v, %v", name, hold, err)
		}
		if got.Verdict != tt.verdict || got.Rule != tt.rule || overLimit(got) != tt.over || len(got.Charges) != tt.counted {
			t.Errorf("%s: %v by %q, over limit %q, %d charges: %s", name, got.Verdict, got.Rule, overLimit(got), len(got.Charges), got.Explanation)
		}
		if got.Policy != p.Hash() || got.Explanation == "" || len(got.Explanation) > rules.MaxExplanation {
			t.Errorf("%s: policy %v, explanation %q", name, got.Policy, got.Explanation)
		}
		for _, charge := range got.Charges {
			if charge.Firm != (charge.Limit == "fleet-gas") || charge.Limit == "" {
				t.Errorf("%s: %+v", name, charge)
			}
		}
		f := facts.Of(tt.req, exampleAt)
		if verdict, rule := slowJudge(p, f); verdict != got.Verdict || rule != got.Rule {
			t.Errorf("%s: by the definition %v by %q", name, verdict, rule)
		}
		e := p.Explain(tt.req, exampleAt)
		matched := slices.ContainsFunc(e.Rules, func(r RuleExplanation) bool { return r.ID == tt.rule && r.Matched })
		if e.Verdict != got.Verdict.String() || e.Rule != got.Rule || matched != (tt.rule != "") || len(e.Limits) != tt.counted || (e.Nearest != "") != (tt.rule == "") {
			t.Errorf("%s: %s", name, e)
		}
	}
}

// FuzzEvaluate judges transactions with any call data by the example, in both
// ways: it never panics, and never approves what the definition does not.
func FuzzEvaluate(f *testing.F) {
	p := example(f)
	f.Add(common.FromHex(call(transferSelector, payee, 1)), uint8(0), uint8(2))
	f.Add(common.FromHex(call(approveSelector, payee, -1)), uint8(1), uint8(2))
	f.Add(common.FromHex("0xac9650d8"+call("", 32)[0:]), uint8(2), uint8(1))
	f.Add([]byte{1}, uint8(3), uint8(3))
	targets := []common.Address{usdc, payee, repeated(5), common.HexToAddress("0xff00000000000000000000000000000000000010")}
	f.Fuzz(func(t *testing.T, data []byte, target, account uint8) {
		to := &targets[int(target)%len(targets)]
		if target > 200 {
			to = nil
		}
		principal := []string{"batcher.prod", "payouts", "relay-api"}[account%3]
		method := []string{"eth_signTransaction", "eth_sendTransaction"}[account/128]
		req := asking(1+account%3, principal, method, &types.DynamicFeeTx{ChainID: big.NewInt(1), To: to, Gas: 50_000, GasFeeCap: gwei(1), GasTipCap: gwei(1), Data: data})
		got, _, err := p.Evaluate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		verdict, rule := slowJudge(p, facts.Of(req, exampleAt))
		if got.Verdict != verdict && !strings.Contains(got.Reason, "can't be measured") || got.Rule != rule {
			t.Errorf("%v by %q, want %v by %q", got.Verdict, got.Rule, verdict, rule)
		}
		_ = p.Explain(req, exampleAt).String()
	})
}

// overLimit is the group that may approve what passes a limit.
func overLimit(decision rules.Decision) string {
	if decision.OverLimit == nil {
		return ""
	}
	return decision.OverLimit.Group
}
