package policytest

import (
	"os"
	"path/filepath"
	"testing"
)

// TestBatches: what amount_max bounds is the sum of a request, and not each entry of a
// batch; within a batch of calls it is each call.
func TestBatches(t *testing.T) {
	t.Parallel()
	policy := named + `
version: 1
rules:
  - {id: large, effect: deny, match: {amount_min: "1000 USDC"}}
  - id: permit
    effect: allow
    match: {principal: [local], kind: [typed_data], effect: [permit], token: USDC, owner: self, recipient: payees, amount_max: "100 USDC"}
  - id: take
    effect: allow
    match: {principal: [local], kind: [transaction], to: "0x000000000022D473030F116dDEE9F6B43aC78BA3", effect: [transfer], token: USDC, owner: self, recipient: payees, amount_max: "100 USDC"}
  - id: calls
    effect: allow
    match: {principal: [local], kind: [transaction], to: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", call: [multicall], inner: [{call: [transfer], recipient: payees, amount_max: "100 USDC"}]}
`
	cases := `
time: 2026-01-05T10:00:00Z
chain_id: 1
accounts: [treasury]
advanced: true
transaction: {from: treasury, to: "0x000000000022D473030F116dDEE9F6B43aC78BA3", chainId: mainnet, nonce: 0, value: 0, gas: 300000, maxFeePerGas: 2 gwei, maxPriorityFeePerGas: 1 gwei, call: "transferFrom((address,address,uint160,address)[])"}
typed_data:
  signer: treasury
  primaryType: PermitBatchTransferFrom
  types:
    PermitBatchTransferFrom: [{name: permitted, type: "TokenPermissions[]"}, {name: spender, type: address}, {name: nonce, type: uint256}, {name: deadline, type: uint256}]
    TokenPermissions: [{name: token, type: address}, {name: amount, type: uint256}]
    EIP712Domain: [{name: name, type: string}, {name: chainId, type: uint256}, {name: verifyingContract, type: address}]
  domain: {name: Permit2, chainId: 1, verifyingContract: "0x000000000022D473030F116dDEE9F6B43aC78BA3"}
  message: {spender: payees, nonce: 1, deadline: 1767607260, permitted: []}
cases:
  - name: two are within the bound
    typed_data: {message: {permitted: [{token: USDC, amount: 50 USDC}, {token: USDC, amount: 50 USDC}]}}
    expect: {verdict: approve, rule: permit}
  - name: two are above the bound together
    typed_data: {message: {permitted: [{token: USDC, amount: 100 USDC}, {token: USDC, amount: 0.000001 USDC}]}}
    expect: {verdict: reject}
  - name: two are denied together
    typed_data: {message: {permitted: [{token: USDC, amount: 500 USDC}, {token: USDC, amount: 500 USDC}]}}
    expect: {verdict: reject, rule: large}
  - name: transfers within the bound
    transaction: {args: [[[treasury, payees, 50 USDC, USDC], [treasury, payees, 50 USDC, USDC]]]}
    expect: {verdict: approve, rule: take}
  - name: transfers above the bound
    transaction: {args: [[[treasury, payees, 100 USDC, USDC], [treasury, payees, 1, USDC]]]}
    expect: {verdict: reject}
  - name: each call is bounded by itself
    transaction: {to: USDC, call: "multicall(bytes[])", args: [[{call: "transfer(address,uint256)", args: [payees, 100 USDC]}, {call: "transfer(address,uint256)", args: [payees, 100 USDC]}]]}
    expect: {verdict: approve, rule: calls}
`
	path := filepath.Join(t.TempDir(), "batches.yaml")
	if err := os.WriteFile(FileOf(path), []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	runCases(t, path, []byte(policy))
}
