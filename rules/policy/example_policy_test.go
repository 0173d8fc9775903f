package policy

import (
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestExample judges requests by testdata/example.yaml.
func TestExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load("example.yaml", source, Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	address := func(digit string) common.Address { return common.HexToAddress("0x" + strings.Repeat(digit, 40)) }
	usdc, inbox := common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"), common.HexToAddress("0xff00000000000000000000000000000000000010")
	units := func(text string) *big.Int {
		n, _ := new(big.Int).SetString(text, 10)
		return n
	}
	request := func(principal, method string, account common.Address, data types.TxData) *rules.Request {
		return &rules.Request{
			ID: "1", Kind: rules.KindTransaction, Method: method, Principal: principal, Account: rules.Account{Address: account}, ChainID: big.NewInt(1),
			Transaction: types.NewTx(data), Digest: common.Hash{1},
		}
	}
	batch := func(change func(tx *types.BlobTx)) *rules.Request {
		tx := &types.BlobTx{
			ChainID: uint256.NewInt(1), Nonce: 1, GasTipCap: uint256.NewInt(1e9), GasFeeCap: uint256.NewInt(300e9), Gas: 2_000_000, To: inbox,
			BlobFeeCap: uint256.NewInt(200e9), BlobHashes: []common.Hash{{1}}, Data: []byte{0xde, 0xad, 0xbe, 0xef, 1},
		}
		change(tx)
		return request("batcher.prod", "eth_signTransaction", address("1"), tx)
	}
	pay := func(principal string, to common.Address, data []byte) *rules.Request {
		return request(principal, "account_signTransaction", address("2"), &types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: 1, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(200e9), Gas: 120_000, To: &to, Data: data,
		})
	}
	transfer := func(to common.Address, amount string) []byte {
		return calldatatest.Pack(t, "transfer(address,uint256)", to, units(amount))
	}
	relay := func(value int64, data []byte) *rules.Request {
		to := address("5")
		return request("relay-api", "eth_sendTransaction", address("3"), &types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: 1, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(150e9), Gas: 500_000, To: &to, Value: big.NewInt(value), Data: data,
		})
	}
	type forward struct {
		Name0, Name1        common.Address // from, to
		Name2, Name3, Name4 *big.Int       // value, gas, nonce
		Name5               []byte         // data
	}
	const signature = "execute((address,address,uint256,uint256,uint256,bytes),bytes)"
	unlimited := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	creation := pay("payouts", usdc, nil)
	creation.Transaction = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 1, Data: []byte{1}})
	otherChain := pay("payouts", usdc, transfer(address("4"), "1"))
	otherChain.ChainID = big.NewInt(10)
	for _, test := range []struct {
		name    string
		req     *rules.Request
		verdict rules.Verdict
		rule    string
	}{
		{"a batch", batch(func(*types.BlobTx) {}), rules.Approve, "batcher"},
		{"a batch with value", batch(func(tx *types.BlobTx) { tx.Value = uint256.NewInt(1) }), rules.Reject, ""},
		{"a batch elsewhere", batch(func(tx *types.BlobTx) { tx.To = usdc }), rules.Reject, ""},
		{"a dear batch", batch(func(tx *types.BlobTx) { tx.GasFeeCap = uint256.NewInt(300e9 + 1) }), rules.Reject, ""},
		{"dear blobs", batch(func(tx *types.BlobTx) { tx.BlobFeeCap = uint256.NewInt(200e9 + 1) }), rules.Reject, ""},
		{"a large batch", batch(func(tx *types.BlobTx) { tx.Gas++ }), rules.Reject, ""},
		{"a creation", creation, rules.Reject, "no-create"},
		{"a delegation", request("payouts", "x", address("2"), &types.SetCodeTx{ChainID: uint256.NewInt(1), To: usdc, AuthList: []types.SetCodeAuthorization{{}}}), rules.Reject, "no-delegate"},
		{"an unlimited approval", pay("payouts", usdc, calldatatest.Pack(t, "approve(address,uint256)", address("4"), unlimited)), rules.Reject, "no-unlimited"},
		{"an approval that does not fit", pay("payouts", usdc, append(calldatatest.Pack(t, "approve(address,uint256)", address("4"), big.NewInt(1)), 1)), rules.Reject, "no-unlimited"},
		{"a limited approval", pay("payouts", usdc, calldatatest.Pack(t, "approve(address,uint256)", address("4"), big.NewInt(1))), rules.Reject, ""},
		{"a small payment", pay("payouts", usdc, transfer(address("4"), "10000000000")), rules.Approve, "treasury-small"},
		{"a larger payment", pay("payouts", usdc, transfer(address("4"), "10000000001")), rules.Refer, "treasury-large"},
		{"the largest payment", pay("payouts", usdc, transfer(address("4"), "500000000000")), rules.Refer, "treasury-large"},
		{"too large a payment", pay("payouts", usdc, transfer(address("4"), "500000000001")), rules.Reject, ""},
		{"a payment to a stranger", pay("payouts", usdc, transfer(address("6"), "1")), rules.Reject, ""},
		{"a payment by a stranger", pay("relay-api", usdc, transfer(address("4"), "1")), rules.Reject, ""},
		{"a payment in another token", pay("payouts", address("7"), transfer(address("4"), "1")), rules.Reject, ""},
		{"a payment on another chain", otherChain, rules.Reject, ""},
		{"a payment from elsewhere", pay("payouts", usdc, calldatatest.Pack(t, "transferFrom(address,address,uint256)", address("2"), address("4"), big.NewInt(1))), rules.Reject, ""},
		{"a forwarded call", relay(0, calldatatest.Pack(t, signature, forward{address("1"), address("4"), big.NewInt(0), big.NewInt(1), big.NewInt(1), []byte{1, 2, 3, 4}}, []byte{1})), rules.Approve, "relayer"},
		{"a forwarded call with value", relay(1, calldatatest.Pack(t, signature, forward{address("1"), address("4"), big.NewInt(1), big.NewInt(1), big.NewInt(1), []byte{1, 2, 3, 4}}, []byte{1})), rules.Reject, ""},
		{"a forwarded call that leaves value", relay(1, calldatatest.Pack(t, signature, forward{address("1"), address("4"), big.NewInt(0), big.NewInt(1), big.NewInt(1), []byte{1, 2, 3, 4}}, []byte{1})), rules.Reject, "no-unlimited"},
		{"another call", relay(0, calldatatest.Pack(t, "execute(bytes)", []byte{1})), rules.Reject, ""},
	} {
		decision, _, err := p.Evaluate(t.Context(), test.req)
		if err != nil || decision.Verdict != test.verdict || decision.Rule != test.rule {
			t.Errorf("%s: %v by %q (%s), %v; want %v by %q\n%s", test.name, decision.Verdict, decision.Rule, decision.Reason, err, test.verdict, test.rule, decision.Explanation)
		}
		if decision.Policy != p.Hash() {
			t.Errorf("%s: the policy %x", test.name, decision.Policy)
		}
		var limits []string
		for _, charge := range decision.Charges {
			limits = append(limits, charge.Limit)
		}
		want := map[string]string{
			"batcher":        "batcher/gas_cost/account batcher/signatures/account fleet-gas",
			"treasury-small": "treasury-small/amount/account treasury-small/amount/recipient fleet-gas",
			"treasury-large": "treasury-large/amount/account fleet-gas",
			"relayer":        "relayer/gas_cost/account relayer/signatures/principal fleet-gas",
		}[test.rule]
		if got := strings.Join(limits, " "); got != want {
			t.Errorf("%s counts %q, want %q", test.name, got, want)
		}
		if (overLimit(decision) == "finance") != (test.rule == "treasury-small") {
			t.Errorf("%s: over the limit %q", test.name, overLimit(decision))
		}
	}
}
