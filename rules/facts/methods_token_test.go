package facts

import (
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestTokenMethods is TestEffects for the methods that few tokens have: one that
// is not read moves tokens past every limit.
func TestTokenMethods(t *testing.T) {
	t.Parallel()
	five, nonce, none := big.NewInt(5), [32]byte{1}, []byte{}
	at := big.NewInt(1700000000)
	deadline := number(1700000000)
	effect := func(kind string, owner common.Address) Effect {
		return Effect{Kind: kind, Token: token, Owner: owner, Recipient: payee, Amount: number(5)}
	}
	until := func(e Effect) Effect {
		e.Deadline = &deadline
		return e
	}
	burnt := effect(Transfer, other)
	burnt.Recipient = common.Address{}
	everything := effect(ApproveAll, sender)
	everything.Amount, everything.Unlimited = maxUint256(), true
	all, nothing := effect(Permit, other), effect(Permit, other)
	all.Amount, all.Unlimited = maxUint256(), true
	nothing.Amount.Clear()
	const dai = "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)"
	for name, tt := range map[string]struct {
		data []byte
		want Effect
	}{
		"increaseApproval":              {calldatatest.Pack(t, "increaseApproval(address,uint256)", payee, five), effect(Approve, sender)},
		"burnFrom":                      {calldatatest.Pack(t, "burnFrom(address,uint256)", other, five), burnt},
		"transferAndCall":               {calldatatest.Pack(t, "transferAndCall(address,uint256)", payee, five), effect(Transfer, sender)},
		"transferAndCall, data":         {calldatatest.Pack(t, "transferAndCall(address,uint256,bytes)", payee, five, none), effect(Transfer, sender)},
		"transferFromAndCall":           {calldatatest.Pack(t, "transferFromAndCall(address,address,uint256)", other, payee, five), effect(Transfer, other)},
		"transferFromAndCall, data":     {calldatatest.Pack(t, "transferFromAndCall(address,address,uint256,bytes)", other, payee, five, none), effect(Transfer, other)},
		"approveAndCall":                {calldatatest.Pack(t, "approveAndCall(address,uint256)", payee, five), effect(Approve, sender)},
		"approveAndCall, data":          {calldatatest.Pack(t, "approveAndCall(address,uint256,bytes)", payee, five, none), effect(Approve, sender)},
		"send":                          {calldatatest.Pack(t, "send(address,uint256,bytes)", payee, five, none), effect(Transfer, sender)},
		"authorizeOperator":             {calldatatest.Pack(t, "authorizeOperator(address)", payee), everything},
		"permit of a contract":          {calldatatest.Pack(t, "permit(address,address,uint256,uint256,bytes)", other, payee, five, at, none), until(effect(Permit, other))},
		"DAI, until":                    {calldatatest.Pack(t, dai, other, payee, five, at, true, uint8(27), nonce, nonce), until(all)},
		"DAI, taken back":               {calldatatest.Pack(t, dai, other, payee, five, at, false, uint8(27), nonce, nonce), until(nothing)},
		"transferWithAuthorization":     {calldatatest.Pack(t, "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", other, payee, five, five, at, nonce, none), until(effect(Transfer, other))},
		"receiveWithAuthorization":      {calldatatest.Pack(t, "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)", other, payee, five, five, at, nonce, uint8(27), nonce, nonce), until(effect(Transfer, other))},
		"receiveWithAuthorization, new": {calldatatest.Pack(t, "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", other, payee, five, five, at, nonce, none), until(effect(Transfer, other))},
	} {
		to := token
		f := Of(call(&to, 0, tt.data), noon())
		if got := f.Actions[0].Effects; !reflect.DeepEqual(got, []Effect{tt.want}) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, tt.want)
		}
	}

	to := token
	more := calldatatest.Pack(t, "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", sender, payee, []*big.Int{five}, []*big.Int{five, at}, none)
	if got := Of(call(&to, 0, more), noon()).Actions[0].Effects; len(got) != 2 || got[1].Amount != deadline || got[1].ID != nil || got[1].Recipient != payee {
		t.Errorf("more amounts than ids: %+v", got)
	}
}
