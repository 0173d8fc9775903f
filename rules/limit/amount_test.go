package limit_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// other is a request of another kind, about nothing.
func other(kind rules.Kind) *facts.Facts {
	return facts.Of(&rules.Request{Kind: kind, Account: rules.Account{Address: account()}, Digest: common.Hash{1, 2}}, time.Time{})
}

const usdcCounter = "daily/amount/token=1:" + usdcText

// ofUSDC is a limit on it on chain 1.
func ofUSDC(per ...limit.Per) limit.Limit {
	l := limitOf(limit.Amount, per...)
	l.Token, l.Chain = to(usdc()), 1
	return l
}

// perChain keeps a limit apart for chains.
func perChain(l limit.Limit) limit.Limit {
	l.Per = []limit.Per{limit.PerChain}
	return l
}

// onLargeChain is the same on a chain whose id is that of chain 1 in its low 64 bits.
func onLargeChain(f *facts.Facts) *facts.Facts {
	req := *f.Request
	req.ChainID = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1))
	return facts.Of(&req, f.Time)
}

func TestAmount(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*facts.Facts{
		"transfer":          calls(t, usdc(), "transfer(address,uint256)", alice(), units(5)),
		"transferFrom":      calls(t, usdc(), "transferFrom(address,address,uint256)", account(), alice(), units(5)),
		"approve":           calls(t, usdc(), "approve(address,uint256)", alice(), units(5)),
		"increaseAllowance": calls(t, usdc(), "increaseAllowance(address,uint256)", alice(), units(5)),
		"permit of Permit2": calls(t, router(), "approve(address,address,uint160,uint48)", usdc(), alice(), units(5), units(9)),
		"within a batch":    calls(t, router(), "multicall(bytes[])", [][]byte{calldatatest.Pack(t, "approve(address,address,uint160,uint48)", usdc(), alice(), units(5), units(9))}),
		"twice":             calls(t, router(), "multicall(bytes[])", [][]byte{calldatatest.Pack(t, "approve(address,address,uint160,uint48)", usdc(), alice(), units(2), units(9)), calldatatest.Pack(t, "approve(address,address,uint160,uint48)", usdc(), alice(), units(3), units(9))}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, ofUSDC(), f, place, want{usdcCounter: small(5)})
			check(t, ofUSDC(limit.PerRecipient), f, place, want{usdcCounter + "/recipient=" + aliceText: small(5)})
			check(t, limitOf(limit.Amount), f, place, want{usdcCounter: small(5)})
			elsewhere := ofUSDC()
			elsewhere.Chain = 10
			check(t, elsewhere, f, "", nil)
			anywhere := ofUSDC()
			anywhere.Chain = 0
			check(t, anywhere, f, place, want{"daily/amount/token=" + usdcText: small(5)})
			check(t, perChain(anywhere), f, place, want{"daily/amount/chain=1/token=" + usdcText: small(5)})
			check(t, ofUSDC(), onLargeChain(f), "", nil)
			another := ofUSDC()
			another.Token = to(dai())
			check(t, another, f, "", nil)
		})
	}
	check(t, ofUSDC(), calls(t, usdc(), "transferFrom(address,address,uint256)", bob(), account(), units(5)), "", nil) // into the account
	check(t, ofUSDC(), calls(t, usdc(), "approve(address,uint256)", alice(), units(0)), "", nil)
	check(t, ofUSDC(), calls(t, usdc(), "decreaseAllowance(address,uint256)", alice(), units(5)), "", nil)
	check(t, ofUSDC(), transaction(to(alice()), 5, nil), "", nil)
	check(t, ofUSDC(), transaction(to(router()), 0, []byte{1, 2, 3, 4}), "", nil)
	check(t, ofUSDC(), calls(t, usdc(), "approve(address,uint256)", alice(), new(big.Int).Lsh(big.NewInt(1), 200)), place, want{usdcCounter: most()})
	check(t, limitOf(limit.Amount), calls(t, usdc(), "setApprovalForAll(address,bool)", alice(), true), place, want{usdcCounter: most()})
}

// TestAmountOfSeveral charges each recipient and each token with its own sum.
func TestAmountOfSeveral(t *testing.T) {
	t.Parallel()
	line := func(token, recipient common.Address, amount *big.Int) []byte {
		return calldatatest.Pack(t, "approve(address,address,uint160,uint48)", token, recipient, amount, units(9))
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 127)
	f := calls(t, router(), "multicall(bytes[])", [][]byte{
		line(usdc(), alice(), units(5)), line(usdc(), bob(), units(7)), line(dai(), alice(), units(11)), line(usdc(), alice(), units(1)), line(dai(), bob(), huge),
	})
	hugeAnd11, _ := uint256.FromBig(new(big.Int).Add(huge, units(11)))
	const daiCounter = "daily/amount/token=1:" + daiText
	check(t, limitOf(limit.Amount), f, place, want{usdcCounter: small(13), daiCounter: *hugeAnd11})
	check(t, limitOf(limit.Amount, limit.PerToken), f, place, want{usdcCounter: small(13), daiCounter: *hugeAnd11})
	largest, _ := uint256.FromBig(huge)
	check(t, limitOf(limit.Amount, limit.PerRecipient), f, place, want{
		usdcCounter + "/recipient=" + aliceText: small(6), usdcCounter + "/recipient=" + bobText: small(7),
		daiCounter + "/recipient=" + aliceText: small(11), daiCounter + "/recipient=" + bobText: *largest,
	})
	twice := calls(t, router(), "multicall(bytes[])", [][]byte{
		line(usdc(), alice(), new(big.Int).Lsh(big.NewInt(1), 159)), line(usdc(), alice(), new(big.Int).Lsh(big.NewInt(1), 159)),
	})
	check(t, ofUSDC(), twice, place, want{usdcCounter: most()}) // the sum stops
}

func TestAmountNotMeasured(t *testing.T) {
	t.Parallel()
	fails(t, ofUSDC(), transaction(to(router()), 0, []byte{1}), "does not fit")
	fails(t, ofUSDC(), transaction(to(usdc()), 0, calldatatest.Pack(t, "transfer(address,uint256)", alice(), units(5))[:40]), "does not fit")
	fails(t, ofUSDC(), calls(t, router(), "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}}), "router")
	fails(t, ofUSDC(), transaction(to(usdc()), 0, []byte{1, 2, 3, 4}), "not known")    // a method of the token itself
	fails(t, ofUSDC(), transaction(to(account()), 0, []byte{1, 2, 3, 4}), "not known") // and of the account, which may be delegated to code
	check(t, ofUSDC(), transaction(nil, 0, []byte{1, 2, 3, 4}), "", nil)               // the code of a new contract has no tokens of the account
	fails(t, ofUSDC(), other(rules.KindTypedData), "no kind that is known")
	fails(t, ofUSDC(), other(rules.KindSafe), "Safe")
	check(t, ofUSDC(), other(rules.KindText), "", nil)

	within := calls(t, router(), "multicall(bytes[])", [][]byte{calldatatest.Pack(t, "transfer(address,uint256)", alice(), units(5)), {1, 2}})
	fails(t, ofUSDC(), within, "data[1]")
}

func permit(primary string, contract common.Address, owner common.Address) *facts.Facts {
	field := func(name, kind string) apitypes.Type { return apitypes.Type{Name: name, Type: kind} }
	data := &apitypes.TypedData{
		PrimaryType: primary,
		Types: apitypes.Types{
			"EIP712Domain": {field("verifyingContract", "address")},
			primary:        {field("owner", "address"), field("spender", "address"), field("value", "uint256"), field("nonce", "uint256"), field("deadline", "uint256")},
		},
		Domain:  apitypes.TypedDataDomain{VerifyingContract: contract.Hex()},
		Message: apitypes.TypedDataMessage{"owner": owner.Hex(), "spender": alice().Hex(), "value": "5", "nonce": "0", "deadline": "99"},
	}
	return facts.Of(&rules.Request{
		Kind: rules.KindTypedData, Account: rules.Account{Address: account()}, ChainID: big.NewInt(1), Digest: common.Hash{1, 2}, TypedData: data,
	}, time.Time{})
}

// TestAmountOfPermits counts what a signature hands over in the slot of the account and the digest.
func TestAmountOfPermits(t *testing.T) {
	t.Parallel()
	check(t, ofUSDC(limit.PerRecipient), permit("Permit", usdc(), account()), inPlace(), want{usdcCounter + "/recipient=" + aliceText: small(5)})
	check(t, ofUSDC(), permit("Permit", dai(), account()), "", nil)
	check(t, ofUSDC(), permit("Permit", usdc(), bob()), "", nil) // good for nothing
	fails(t, ofUSDC(), permit("Order", usdc(), account()), "a permit by its name or its spender")
	unchained := permit("Permit", usdc(), account())
	unchained.Request.ChainID = nil
	check(t, ofUSDC(), unchained, inPlace(), want{usdcCounter: small(5)}) // the same total
	check(t, ofUSDC(limit.PerChain), unchained, inPlace(), want{"daily/amount/chain=1/token=1:" + usdcText: small(5)})
	everywhere := ofUSDC(limit.PerChain)
	everywhere.Chain = 0
	fails(t, everywhere, unchained, "names no chain")
	everywhere.Per = nil
	check(t, everywhere, unchained, inPlace(), want{"daily/amount/token=" + usdcText: small(5)})
	fails(t, limitOf(limit.Signatures, limit.PerChain), unchained, "names no chain")
	check(t, limitOf(limit.Value), permit("Order", usdc(), account()), "", nil)
}

// batches is Safe's own contract of batches.
func batches() common.Address {
	return common.HexToAddress("0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526")
}

// ofSafe is the facts of a Safe transaction that refunds 200 060 units.
func ofSafe(to, gasToken common.Address, wei uint64, data []byte, operation string) *facts.Facts {
	var types apitypes.Types
	field := func(name, kind string) apitypes.Type { return apitypes.Type{Name: name, Type: kind} }
	types = apitypes.Types{"EIP712Domain": {field("chainId", "uint256"), field("verifyingContract", "address")}, "SafeTx": {
		field("to", "address"), field("value", "uint256"), field("data", "bytes"), field("operation", "uint8"), field("safeTxGas", "uint256"),
		field("baseGas", "uint256"), field("gasPrice", "uint256"), field("gasToken", "address"), field("refundReceiver", "address"), field("nonce", "uint256"),
	}}
	return facts.Of(&rules.Request{
		Kind: rules.KindSafe, Account: rules.Account{Address: account()}, ChainID: big.NewInt(1), Digest: common.Hash{1, 2},
		TypedData: &apitypes.TypedData{
			PrimaryType: "SafeTx", Types: types, Domain: apitypes.TypedDataDomain{VerifyingContract: safe().Hex()},
			Message: apitypes.TypedDataMessage{
				"to": to.Hex(), "value": units(wei).String(), "data": "0x" + common.Bytes2Hex(data), "operation": operation, "safeTxGas": "20",
				"baseGas": "10", "gasPrice": "2", "gasToken": gasToken.Hex(), "refundReceiver": bob().Hex(), "nonce": "4",
			},
		},
	}, time.Time{})
}

// TestSafe counts what leaves the Safe, and what it refunds.
func TestSafe(t *testing.T) {
	t.Parallel()
	digest := common.Hash{1, 2}.Hex()
	ether := common.Address{}
	pays := ofSafe(alice(), ether, 3, nil, "0")
	check(t, limitOf(limit.Value), pays, digest, want{"daily/value": small(3)})
	check(t, limitOf(limit.Amount), pays, digest, nil) // the refund is in ether
	check(t, limitOf(limit.GasCost), pays, digest, want{"daily/gas_cost": small(200_060)})
	check(t, limitOf(limit.Spend, limit.PerAccount), pays, digest, want{"daily/spend/account=" + accountText: small(200_063)})

	transfers := ofSafe(usdc(), usdc(), 0, calldatatest.Pack(t, "transfer(address,uint256)", alice(), units(5)), "0")
	check(t, ofUSDC(limit.PerRecipient), transfers, digest, want{usdcCounter + "/recipient=" + aliceText: small(5), usdcCounter + "/recipient=" + bobText: small(200_060)})
	check(t, limitOf(limit.Amount), transfers, digest, want{usdcCounter: small(200_065)})
	check(t, limitOf(limit.GasCost), transfers, digest, nil)
	check(t, ofUSDC(), ofSafe(alice(), dai(), 0, nil, "0"), "", nil)

	batch := multiSend(t, facts.Action{To: to(alice()), Value: small(7)}, facts.Action{To: to(bob()), Value: small(2)},
		facts.Action{To: to(usdc()), Data: calldatatest.Pack(t, "transfer(address,uint256)", bob(), units(5))})
	check(t, limitOf(limit.Value), ofSafe(batches(), ether, 0, batch, "1"), digest, want{"daily/value": small(9)})
	check(t, ofUSDC(), ofSafe(batches(), ether, 0, batch, "1"), digest, want{usdcCounter: small(5)})
	check(t, limitOf(limit.Value, limit.PerRecipient), ofSafe(batches(), ether, 0, batch, "1"), digest,
		want{"daily/value/recipient=" + aliceText: small(7), "daily/value/recipient=" + bobText: small(2)})

	foreign := ofSafe(router(), ether, 0, []byte{1, 2, 3, 4}, "1")
	fails(t, limitOf(limit.Value), foreign, "with the powers of the account")
	fails(t, ofUSDC(), foreign, "foreign code")
	fails(t, ofUSDC(), ofSafe(router(), ether, 0, batch, "1"), "foreign code")
	fails(t, limitOf(limit.Value), ofSafe(batches(), ether, 0, batch[:100], "1"), "with the powers of the account")
	nested := multiSend(t, facts.Action{To: to(batches()), Value: small(9), Data: multiSend(t, facts.Action{To: to(alice()), Value: small(3)}), Delegate: true})
	check(t, limitOf(limit.Value), ofSafe(batches(), ether, 0, nested, "1"), digest, want{"daily/value": small(3)}) // a delegate call sends nothing

	nameless := *pays.Request
	data := *nameless.TypedData
	data.Domain.VerifyingContract = ""
	nameless.TypedData = &data
	for _, measure := range []limit.Measure{limit.Value, limit.Spend} {
		fails(t, limitOf(measure), other(rules.KindSafe), "Safe")
		fails(t, limitOf(measure), facts.Of(&nameless, pays.Time), "Safe")
	}
}

// TestReplacement: the place of a transaction is the same whatever it does.
func TestReplacement(t *testing.T) {
	t.Parallel()
	l := limitOf(limit.Value, limit.PerRecipient)
	first, err := l.Charges(transaction(to(alice()), 5, nil))
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Charges(transaction(to(bob()), 6, nil))
	if err != nil {
		t.Fatal(err)
	}
	if first[0].Slot != second[0].Slot || first[0].Counter == second[0].Counter {
		t.Errorf("%+v and %+v", first, second)
	}
	next := factsOf(types.NewTx(&types.LegacyTx{Nonce: 8, To: to(alice()), Value: big.NewInt(1), GasPrice: big.NewInt(1)}))
	if third, err := l.Charges(next); err != nil || third[0].Slot == first[0].Slot {
		t.Errorf("%+v, %v", third, err)
	}
}
