package limit_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// apes is a collection, of tokens with ids.
func apes() common.Address {
	return common.HexToAddress("0x9999999999999999999999999999999999999999")
}

const apesCounter = "daily/amount/token=1:0x9999999999999999999999999999999999999999"

// ofEvery is a limit on each token by itself, which knows some.
func ofEvery() limit.Limit {
	l := limitOf(limit.Amount, limit.PerToken)
	l.Tokens = []limit.Token{{Chain: 1, Address: apes(), Collection: true}, {Chain: 1, Address: usdc()}, {Chain: 10, Address: dai(), Collection: true}}
	return l
}

// TestIDsAreNoAmounts: a token of a collection counts 1 whatever its id, where it
// is known to be one.
func TestIDsAreNoAmounts(t *testing.T) {
	t.Parallel()
	const (
		send     = "safeTransferFrom(address,address,uint256)"
		sendData = "safeTransferFrom(address,address,uint256,bytes)"
		from     = "transferFrom(address,address,uint256)"
		batch    = "multicall(bytes[])"
	)
	name := new(big.Int).Lsh(big.NewInt(1), 200) // such as the hash that a domain name's id is
	none := units(0)
	const daiCounter = "daily/amount/token=1:" + daiText
	for title, tt := range map[string]struct {
		f    *facts.Facts
		want want
	}{
		"known by the policy":          {calls(t, apes(), from, account(), alice(), name), want{apesCounter: small(1)}},
		"known by the policy, approve": {calls(t, apes(), "approve(address,uint256)", alice(), units(777)), want{apesCounter: small(1)}},
		"known by the policy, 0":       {calls(t, apes(), from, account(), alice(), none), want{apesCounter: small(1)}},
		"known by the method":          {calls(t, router(), send, account(), alice(), name), want{"daily/amount/token=1:" + routerText: small(1)}},
		"known by the method, 0":       {calls(t, router(), sendData, account(), alice(), none, []byte{}), want{"daily/amount/token=1:" + routerText: small(1)}},
		"several": {
			calls(t, apes(), batch, [][]byte{
				calldatatest.Pack(t, send, account(), alice(), units(500)), calldatatest.Pack(t, from, account(), bob(), units(700)),
			}), want{apesCounter: small(2)},
		},
		"all":               {calls(t, apes(), "setApprovalForAll(address,bool)", alice(), true), want{apesCounter: most()}},
		"none of them":      {calls(t, apes(), "setApprovalForAll(address,bool)", alice(), false), nil},
		"of another":        {calls(t, apes(), send, bob(), alice(), units(5)), nil},
		"on another chain":  {calls(t, dai(), from, account(), alice(), units(5)), want{daiCounter: small(5)}},
		"not known":         {calls(t, dai(), from, account(), alice(), name), want{daiCounter: most()}},
		"not known, 0":      {calls(t, dai(), from, account(), alice(), none), want{daiCounter: small(1)}}, // may be the id 0
		"an amount, 0":      {calls(t, usdc(), from, account(), alice(), none), nil},
		"an amount":         {calls(t, usdc(), from, account(), alice(), units(5)), want{usdcCounter: small(5)}},
		"an odd amount":     {calls(t, usdc(), send, account(), alice(), units(5)), want{usdcCounter: small(5)}},
		"an id with amount": {calls(t, router(), "safeTransferFrom(address,address,uint256,uint256,bytes)", account(), alice(), units(99), units(5), []byte{}), want{"daily/amount/token=1:" + routerText: small(5)}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			check(t, ofEvery(), tt.f, place, tt.want)
		})
	}
	check(t, ofUSDC(), calls(t, usdc(), send, account(), alice(), units(5)), place, want{usdcCounter: small(5)}) // declared as one with amounts

	check(t, ofEvery(), onLargeChain(calls(t, apes(), from, account(), alice(), units(5))), "18446744073709551617/"+accountText+"/7",
		want{"daily/amount/token=18446744073709551617:0x9999999999999999999999999999999999999999": small(5)})

	unchained := permit("Permit", apes(), account())
	unchained.Request.ChainID = nil // it holds on each chain, and each has its token
	fails(t, ofEvery(), unchained, "names no chain")
	fails(t, limitOf(limit.Amount), unchained, "names no chain")
}

// TestAmountOfEveryTokenNotMeasured: each contract may be a token, so that a
// method of the account's call that is not known may move some.
func TestAmountOfEveryTokenNotMeasured(t *testing.T) {
	t.Parallel()
	unknown := []byte{1, 2, 3, 4}
	for _, l := range []limit.Limit{ofEvery(), limitOf(limit.Amount)} {
		fails(t, l, transaction(to(router()), 0, unknown), "not known")
		fails(t, l, transaction(to(usdc()), 0, unknown), "not known")
		fails(t, l, calls(t, router(), "multicall(bytes[])", [][]byte{unknown}), "data[0]")
		fails(t, l, transaction(to(router()), 0, unknown[:1]), "does not fit")
		fails(t, l, calls(t, router(), "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}}), "router")
		fails(t, l, other(rules.KindTypedData), "no kind that is known")

		check(t, l, transaction(to(alice()), 5, nil), "", nil)
		check(t, l, transaction(nil, 0, unknown), "", nil) // the code of a new contract has no tokens of the account
		check(t, l, calls(t, dai(), "decreaseAllowance(address,uint256)", alice(), units(5)), "", nil)
		check(t, l, calls(t, router(), "execute(address,uint256,bytes)", usdc(), units(0), unknown), "", nil) // of the wallet's tokens, not the account's
	}
}
