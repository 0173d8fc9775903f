package policy

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// What a rule says in one sentence must hold for whatever it approves, and what
// is denied stays denied in another form.

const namesOfPromises = `version: 1
chains: {mainnet: 1}
accounts: {hot: "0x1111111111111111111111111111111111111111"}
tokens: {USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}}
lists: {payees: ["0x4444444444444444444444444444444444444444"], vaults: ["0x8888888888888888888888888888888888888888"]}
`

var (
	hotAddress  = common.HexToAddress("0x1111111111111111111111111111111111111111")
	usdcAddress = common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
	paidTo      = common.HexToAddress("0x4444444444444444444444444444444444444444")
	thief       = common.HexToAddress("0x6666666666666666666666666666666666666666")
	vault       = common.HexToAddress("0x8888888888888888888888888888888888888888")
	multiSend14 = common.HexToAddress("0x9641d764fc13c8B624c04430C7356C1C7C8102e2")
	permit2     = common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")
)

func spends(to common.Address, wei int64, data []byte) *rules.Request {
	return &rules.Request{
		Kind: rules.KindTransaction, Method: "account_signTransaction", Account: rules.Account{Address: hotAddress}, Principal: "local", ChainID: big.NewInt(1),
		Transaction: types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), To: &to, Value: big.NewInt(wei), Data: data}),
	}
}

// safeTx is a transaction of the Safe "vault", changed as wanted.
func safeTx(kind rules.Kind, to common.Address, data []byte, change func(message map[string]any)) *rules.Request {
	message := map[string]any{
		"to": to.Hex(), "value": "0", "data": "0x" + common.Bytes2Hex(data), "operation": "0", "safeTxGas": "0", "baseGas": "0", "gasPrice": "0",
		"gasToken": common.Address{}.Hex(), "refundReceiver": common.Address{}.Hex(), "nonce": "7",
	}
	if change != nil {
		change(message)
	}
	var fields []apitypes.Type
	for _, field := range [][2]string{
		{"address", "to"},
		{"uint256", "value"},
		{"bytes", "data"},
		{"uint8", "operation"},
		{"uint256", "safeTxGas"},
		{"uint256", "baseGas"},
		{"uint256", "gasPrice"},
		{"address", "gasToken"},
		{"address", "refundReceiver"},
		{"uint256", "nonce"},
	} {
		fields = append(fields, apitypes.Type{Type: field[0], Name: field[1]})
	}
	return &rules.Request{
		Kind: kind, Account: rules.Account{Address: hotAddress}, Principal: "local", ChainID: big.NewInt(1), Digest: common.Hash{7},
		TypedData: &apitypes.TypedData{
			Types: apitypes.Types{"EIP712Domain": {{Type: "uint256", Name: "chainId"}, {Type: "address", Name: "verifyingContract"}}, "SafeTx": fields}, PrimaryType: "SafeTx", Message: message,
			Domain: apitypes.TypedDataDomain{ChainId: math.NewHexOrDecimal256(1), VerifyingContract: vault.Hex()},
		},
	}
}

// permit is one of EIP-2612, for a chain that may be none.
func permitOf(token common.Address, spender common.Address, chain *big.Int) *rules.Request {
	var fields []apitypes.Type
	for _, field := range [][2]string{{"address", "owner"}, {"address", "spender"}, {"uint256", "value"}, {"uint256", "nonce"}, {"uint256", "deadline"}} {
		fields = append(fields, apitypes.Type{Type: field[0], Name: field[1]})
	}
	return &rules.Request{
		Kind: rules.KindTypedData, Account: rules.Account{Address: hotAddress}, Principal: "local", ChainID: chain, Digest: common.Hash{8},
		TypedData: &apitypes.TypedData{
			Types: apitypes.Types{"EIP712Domain": {{Type: "address", Name: "verifyingContract"}}, "Permit": fields}, PrimaryType: "Permit", Domain: apitypes.TypedDataDomain{VerifyingContract: token.Hex()},
			Message: map[string]any{"owner": hotAddress.Hex(), "spender": spender.Hex(), "value": "5000000", "nonce": "0", "deadline": "99"},
		},
	}
}

func packed(operation byte, to common.Address, data []byte) []byte {
	call := append([]byte{operation}, to[:]...)
	call = append(call, make([]byte, 32)...)
	call = append(call, common.BigToHash(big.NewInt(int64(len(data)))).Bytes()...)
	return append(call, data...)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	paid := calldatatest.Pack(t, "transfer(address,uint256)", paidTo, big.NewInt(5))
	stolen := calldatatest.Pack(t, "transfer(address,uint256)", thief, big.NewInt(5_000_000))
	batch := calldatatest.Pack(t, "multiSend(bytes)", packed(0, usdcAddress, paid))
	delegated := func(m map[string]any) { m["operation"] = "1" }
	const safeBatch = `{id: batch, effect: allow, match: {kind: [safe_transaction], call: [multiSend], inner: [{call: [transfer], token: USDC, recipient: payees}]}}`
	const safePay = `{id: pay, effect: allow, match: {kind: [safe_transaction], call: [transfer], token: USDC, recipient: payees, amount_max: "100 USDC"}}`
	const refunded = `{id: pay, effect: allow, match: {kind: [safe_transaction], call: [transfer], token: USDC, recipient: payees, safe: {safe: vaults, refund_max: "0.01 ether"}}}`
	const refundedUSDC = `{id: pay, effect: allow, match: {kind: [safe_transaction], call: [transfer], token: USDC, recipient: payees, safe: {safe: vaults, refund_max: "3 USDC"}}}`
	const named = `{id: pay, effect: allow, match: {kind: [safe_transaction], call: [transfer], token: USDC, recipient: payees, safe: {safe: vaults}}}`
	const anything = `{id: all, effect: allow, match: {account: hot, inner: any}}`
	refund := func(token common.Address, price string) func(map[string]any) {
		return func(m map[string]any) {
			m["gasToken"], m["gasPrice"], m["baseGas"], m["refundReceiver"] = token.Hex(), price, "1", thief.Hex()
		}
	}
	for name, c := range map[string]struct {
		rules string
		req   *rules.Request
		want  rules.Verdict
	}{
		"a batch of Safe's": {safeBatch, safeTx(rules.KindSafe, multiSend14, batch, delegated), rules.Approve},
		"a delegate call of a contract that only looks like Safe's batch": {safeBatch, safeTx(rules.KindSafe, thief, batch, delegated), rules.Reject},
		"the same, denied": {
			`{id: no, effect: deny, match: {call: [approve]}}, ` + anything, safeTx(rules.KindSafe, thief, batch, delegated), rules.Reject,
		},
		"Permit2 moves a token": {
			`{id: pay, effect: allow, match: {to: "0x000000000022D473030F116dDEE9F6B43aC78BA3", effect: [transfer], token: USDC, recipient: payees}}`,
			spends(permit2, 0, calldatatest.Pack(t, "transferFrom(address,address,uint160,address)", hotAddress, paidTo, big.NewInt(5), usdcAddress)), rules.Approve,
		},
		"ether for a contract that says it moves a token": {
			`{id: pay, effect: allow, match: {effect: [transfer], token: USDC, recipient: payees}}`,
			spends(thief, 1e18, calldatatest.Pack(t, "transferFrom(address,address,uint160,address)", hotAddress, paidTo, big.NewInt(5), usdcAddress)), rules.Reject,
		},
		"a contract that says it moves a token": {
			`{id: pay, effect: allow, match: {effect: [transfer], token: USDC, recipient: payees}}`,
			spends(thief, 0, calldatatest.Pack(t, "transferFrom(address,address,uint160,address)", hotAddress, paidTo, big.NewInt(5), usdcAddress)), rules.Reject,
		},
		"a token by its address is denied": {
			`{id: no, effect: deny, match: {token: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"}}, ` + anything, spends(usdcAddress, 0, paid), rules.Reject,
		},
		"ether for a contract that has the method": {
			`{id: batch, effect: allow, match: {call: [multicall], inner: [{call: [transfer], token: USDC, recipient: payees}]}}`,
			spends(thief, 1e18, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{})), rules.Reject,
		},
		"ether that the rule bounds": {
			`{id: batch, effect: allow, match: {call: [multicall], value_max: "1 ether", inner: [{call: [transfer], token: USDC, recipient: payees}]}}`,
			spends(vault, 1e18, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{})), rules.Approve,
		},
		"ether with a transfer of a token":      {safePay, safeTx(rules.KindSafe, usdcAddress, paid, func(m map[string]any) { m["value"] = "1" }), rules.Reject},
		"a Safe pays":                           {safePay, safeTx(rules.KindSafe, usdcAddress, paid, nil), rules.Approve},
		"a Safe pays, and refunds gas":          {safePay, safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "1000000000000")), rules.Reject},
		"a Safe pays, and refunds ether":        {safePay, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "1")), rules.Reject},
		"a Safe that is named pays":             {named, safeTx(rules.KindSafe, usdcAddress, paid, nil), rules.Approve},
		"the same, and refunds gas":             {named, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "1")), rules.Reject},
		"a refund within its bound":             {refunded, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "1000000")), rules.Approve},
		"a refund beyond its bound":             {refunded, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "10000000000000001")), rules.Reject},
		"a refund in a token, bounded in ether": {refunded, safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "1000000")), rules.Reject},
		"a refund in a token":                   {refundedUSDC, safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "29")), rules.Approve},
		"a larger one":                          {refundedUSDC, safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "30")), rules.Reject},
		"a refund in ether, bounded in a token": {refundedUSDC, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "1")), rules.Reject},
		"no refund, bounded in a token":         {refundedUSDC, safeTx(rules.KindSafe, usdcAddress, paid, nil), rules.Approve},

		"a Safe transaction as typed data pays who is denied": {
			`{id: no, effect: deny, match: {token: USDC, recipient: "0x6666666666666666666666666666666666666666"}}, ` + anything,
			safeTx(rules.KindTypedData, usdcAddress, stolen, nil), rules.Reject,
		},
		"a Safe transaction as typed data, by a rule for others": {
			`{id: sign, effect: allow, match: {kind: [typed_data], account: hot}}`, safeTx(rules.KindTypedData, usdcAddress, paid, nil), rules.Reject,
		},
		"a Safe transaction as typed data": {safePay, safeTx(rules.KindTypedData, usdcAddress, paid, nil), rules.Approve},

		"a permit that names no chain, where the chain is denied": {
			`{id: no, effect: deny, match: {chain: [mainnet], effect: [permit]}}, ` + anything, permitOf(usdcAddress, thief, nil), rules.Reject,
		},
		"a permit that names no chain, where the chain of the domain is denied": {
			`{id: no, effect: deny, match: {domain: {chain: [mainnet]}}}, ` + anything, permitOf(usdcAddress, thief, nil), rules.Reject,
		},
		"the same for another contract": {
			`{id: no, effect: deny, match: {domain: {chain: [mainnet], contract: vaults}}}, ` + anything, permitOf(usdcAddress, thief, nil), rules.Approve,
		},
		"a permit that names no chain, where the chain of the domain is allowed": {
			`{id: yes, effect: allow, match: {domain: {chain: [mainnet]}, effect: [permit]}}`, permitOf(usdcAddress, thief, nil), rules.Reject,
		},
		"a permit for another chain than the domain's that is denied": {
			`{id: no, effect: deny, match: {domain: {chain: [mainnet]}}}, ` + anything, permitOf(usdcAddress, thief, big.NewInt(10)), rules.Approve,
		},
		"a Safe that names no chain, and refunds in a token": {refundedUSDC, unchained(safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "29"))), rules.Reject},
		"a Safe that names no chain, where the refund is denied": {
			`{id: no, effect: deny, match: {safe: {safe: vaults, refund_max: "3 USDC"}}}, ` + anything, unchained(safeTx(rules.KindSafe, usdcAddress, paid, refund(usdcAddress, "29"))), rules.Reject,
		},
		"a refund in ether, where that in a token is denied": {
			`{id: no, effect: deny, match: {safe: {safe: vaults, refund_max: "3 USDC"}}}, ` + refunded, safeTx(rules.KindSafe, usdcAddress, paid, refund(common.Address{}, "1")), rules.Approve,
		},
		"a permit for another chain": {
			`{id: no, effect: deny, match: {chain: [mainnet], effect: [permit]}}, ` + anything, permitOf(usdcAddress, thief, big.NewInt(10)), rules.Approve,
		},
		"a permit that names no chain, where one is allowed": {
			`{id: yes, effect: allow, match: {chain: [mainnet], effect: [permit]}}`, permitOf(usdcAddress, thief, nil), rules.Reject,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := decideBy(t, c.rules, c.req); got.Verdict != c.want {
				t.Errorf("%v, want %v: %s\n%s", got.Verdict, c.want, got.Reason, got.Explanation)
			}
		})
	}
}

// unchained is a request that names no chain.
func unchained(req *rules.Request) *rules.Request {
	req.ChainID = nil
	return req
}

// decideBy judges a request by some rules.
func decideBy(t *testing.T, list string, req *rules.Request) rules.Decision {
	t.Helper()
	p, err := Load("promises.yaml", []byte(namesOfPromises+"rules: ["+list+"]\n"), Options{Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	decision, hold, err := p.Evaluate(t.Context(), req)
	if err != nil || hold != nil {
		t.Fatalf("%v, %v", hold, err)
	}
	return decision
}

// TestPromisesOfNewContracts: a rule about new contracts says how much ether they may
// be given.
func TestPromisesOfNewContracts(t *testing.T) {
	t.Parallel()
	made := func(wei int64) *rules.Request {
		req := spends(vault, 0, nil)
		req.Transaction = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 99000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), Value: big.NewInt(wei), Data: []byte{1, 2, 3, 4}})
		return req
	}
	code := crypto.Keccak256Hash([]byte{1, 2, 3, 4}).Hex()
	for match, want := range map[string][2]rules.Verdict{ // without ether, and with some
		`create: true`:                     {rules.Approve, rules.Reject},
		`create: true, value_max: "1 wei"`: {rules.Approve, rules.Approve},
		`create: true, value_min: "1 wei"`: {rules.Reject, rules.Approve},
		`create: true, value_max: "0 wei"`: {rules.Approve, rules.Reject},
		`init_code_hash: "` + code + `"`:   {rules.Approve, rules.Reject},
		`create: false`:                    {rules.Reject, rules.Reject},
		`any: true`:                        {rules.Approve, rules.Approve},
	} {
		for wei, want := range want {
			if got := decideBy(t, `{id: make, effect: allow, match: {`+match+`}}`, made(int64(wei))); got.Verdict != want {
				t.Errorf("%s, %d wei: %v, want %v: %s", match, wei, got.Verdict, want, got.Explanation)
			}
		}
	}
	if got := decideBy(t, `{id: no, effect: deny, match: {create: true}}, {id: all, effect: allow, match: {any: true}}`, made(1)); got.Verdict != rules.Reject {
		t.Errorf("denied: %v", got.Verdict)
	}
}

func TestALimitOfACollectionIsRefused(t *testing.T) {
	t.Parallel()
	const policy = `version: 1
chains: {mainnet: 1}
tokens: {APE: {chain: mainnet, address: "0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d", standard: erc721}}
rules:
  - id: send
    effect: allow
    match: {principal: [local], token: APE}
    limits: [{measure: amount, max: "3 APE", window: 24h}]
`
	if _, err := Load("p.yaml", []byte(policy), Options{}); err == nil {
		t.Error("ids would be counted as amounts")
	}
}
