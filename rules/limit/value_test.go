package limit_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

func TestValue(t *testing.T) {
	t.Parallel()
	value := limitOf(limit.Value)
	check(t, value, transaction(to(alice()), 3, nil), place, want{"daily/value": small(3)})
	check(t, value, transaction(to(alice()), 0, nil), place, nil)
	check(t, value, transaction(nil, 3, []byte{1}), place, want{"daily/value": small(3)})
	check(t, value, transaction(to(router()), 3, []byte{1, 2, 3, 4}), place, want{"daily/value": small(3)}) // a method that is not known
	check(t, value, transaction(to(router()), 3, []byte{1}), place, want{"daily/value": small(3)})          // and no method at all
	check(t, value, calls(t, usdc(), "transfer(address,uint256)", alice(), units(5)), place, nil)

	// What a contract passes on was counted when it got it.
	type call struct {
		Name0 common.Address
		Name1 bool
		Name2 *big.Int
		Name3 []byte
	}
	batch := transaction(to(router()), 7, calldatatest.Pack(t, "aggregate3Value((address,bool,uint256,bytes)[])",
		[]call{{alice(), false, units(2), nil}, {bob(), false, units(4), nil}, {alice(), false, units(1), nil}}))
	check(t, value, batch, place, want{"daily/value": small(7)})
	check(t, limitOf(limit.Value, limit.PerRecipient), batch, place, want{
		"daily/value/recipient=" + routerText: small(7), "daily/value/recipient=" + aliceText: small(3), "daily/value/recipient=" + bobText: small(4),
	})
	check(t, limitOf(limit.GasCost, limit.PerRecipient), batch, place, want{"daily/gas_cost/recipient=" + routerText: small(100_000)})

	// An account with code calls itself, and pays for what it does then.
	self := transaction(to(account()), 0, calldatatest.Pack(t, "execute(address,uint256,bytes)", alice(), units(9), []byte{}))
	check(t, value, self, place, want{"daily/value": small(9)})
	fails(t, value, transaction(to(account()), 0, []byte{1, 2, 3, 4}), "with the powers of the account")
	fails(t, value, transaction(to(account()), 0, []byte{1}), "with the powers of the account")
	fails(t, value, transaction(to(account()), 0, calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})), "router")
	check(t, value, transaction(to(account()), 5, nil), place, want{"daily/value": small(5)})

	// What the Safe of others lends its powers to has none of the account's.
	lends := transaction(to(safe()), 5, calldatatest.Pack(t, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
		router(), units(0), []byte{1, 2, 3, 4}, uint8(1), units(0), units(0), units(0), common.Address{}, common.Address{}, []byte{}))
	check(t, value, lends, place, want{"daily/value": small(5)})
}

func TestGasAndSpend(t *testing.T) {
	t.Parallel()
	pays := transaction(to(alice()), 3, nil)
	check(t, limitOf(limit.GasCost), pays, place, want{"daily/gas_cost": small(100_000)})
	check(t, limitOf(limit.Spend), pays, place, want{"daily/spend": small(100_003)})
	check(t, limitOf(limit.Spend, limit.PerRecipient), pays, place, want{"daily/spend/recipient=" + aliceText: small(100_003)})
	check(t, limitOf(limit.GasCost, limit.PerRecipient), transaction(nil, 0, []byte{1}), place, want{"daily/gas_cost/recipient=create": small(100_000)})

	blobs := factsOf(types.NewTx(&types.BlobTx{
		ChainID: uint256.NewInt(1), Nonce: 7, GasFeeCap: uint256.NewInt(2), Gas: 50_000, To: alice(), BlobFeeCap: uint256.NewInt(3), BlobHashes: []common.Hash{{1}, {2}},
	}))
	check(t, limitOf(limit.GasCost), blobs, place, want{"daily/gas_cost": small(100_000 + 2*131072*3)})

	free := factsOf(types.NewTx(&types.LegacyTx{Nonce: 7, Gas: 50_000, GasPrice: new(big.Int), To: to(alice()), Value: new(big.Int)}))
	check(t, limitOf(limit.Spend), free, place, nil)

	huge := factsOf(types.NewTx(&types.LegacyTx{Nonce: 7, Gas: 1 << 63, GasPrice: new(big.Int).Lsh(big.NewInt(1), 255), To: to(alice()), Value: new(big.Int).Lsh(big.NewInt(1), 255)}))
	check(t, limitOf(limit.GasCost), huge, place, want{"daily/gas_cost": most()})
	check(t, limitOf(limit.Spend), huge, place, want{"daily/spend": most()})
}

// TestHandedOver: who holds the code of an account holds all of it.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	owner := crypto.PubkeyToAddress(key.PublicKey)
	set := func(contract, sender common.Address) *facts.Facts {
		authorization, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(1), Address: contract})
		if err != nil {
			t.Fatal(err)
		}
		f := factsOf(types.NewTx(&types.SetCodeTx{
			ChainID: uint256.NewInt(1), Nonce: 7, GasTipCap: new(uint256.Int), GasFeeCap: uint256.NewInt(2), Gas: 50_000, To: alice(), Value: uint256.NewInt(1), AuthList: []types.SetCodeAuthorization{authorization},
		}))
		f.Request.Account.Address = sender
		return f
	}
	for _, measure := range []limit.Measure{limit.Value, limit.Spend, limit.Amount} {
		fails(t, limitOf(measure), set(router(), owner), "hands the account over")
	}
	check(t, limitOf(limit.Value), set(router(), account()), place, want{"daily/value": small(1)}) // of another account
	check(t, limitOf(limit.Value), set(common.Address{}, owner), "1/"+accountOf(owner)+"/7", want{"daily/value": small(1)})
}

func accountOf(address common.Address) string { return "0x" + common.Bytes2Hex(address[:]) }

func TestSignatures(t *testing.T) {
	t.Parallel()
	signatures := limitOf(limit.Signatures)
	check(t, signatures, transaction(to(alice()), 0, nil), inPlace(), want{"daily/signatures": small(1)})
	for _, kind := range []rules.Kind{rules.KindText, rules.KindData, rules.KindTypedData} {
		f := other(kind)
		check(t, signatures, f, inPlace(), want{"daily/signatures": small(1)})
		if perChain := limitOf(limit.Signatures, limit.PerRecipient, limit.PerChain); kind == rules.KindTypedData {
			fails(t, perChain, f, "names no chain")
		} else {
			check(t, perChain, f, inPlace(), want{"daily/signatures/chain=none/recipient=none": small(1)})
		}
		check(t, limitOf(limit.Value), f, "", nil)
		check(t, limitOf(limit.GasCost), f, "", nil)
	}
	for _, kind := range []rules.Kind{rules.KindList, rules.KindNewAccount} {
		check(t, signatures, other(kind), "", nil)
	}
	fails(t, signatures, other(rules.KindTransaction), "no known kind") // without a transaction
	check(t, limitOf(limit.Signatures, limit.PerRecipient), transaction(to(alice()), 0, nil), inPlace(), want{"daily/signatures/recipient=" + aliceText: small(1)})
	check(t, limitOf(limit.Signatures, limit.PerRecipient), calls(t, usdc(), "transfer(address,uint256)", bob(), units(5)), inPlace(),
		want{"daily/signatures/recipient=" + bobText: small(1)})

	// One for each who gets tokens of the account, however often.
	approve := func(recipient common.Address) []byte {
		return calldatatest.Pack(t, "approve(address,address,uint160,uint48)", usdc(), recipient, units(5), units(9))
	}
	several := calls(t, router(), "multicall(bytes[])", [][]byte{approve(alice()), approve(bob()), approve(alice())})
	check(t, signatures, several, inPlace(), want{"daily/signatures": small(1)})
	check(t, limitOf(limit.Signatures, limit.PerRecipient), several, inPlace(),
		want{"daily/signatures/recipient=" + aliceText: small(1), "daily/signatures/recipient=" + bobText: small(1)})
	check(t, limitOf(limit.Signatures, limit.PerRecipient), calls(t, usdc(), "transferFrom(address,address,uint256)", bob(), alice(), units(5)), inPlace(),
		want{"daily/signatures/recipient=" + usdcText: small(1)}) // of another's
}

// TestEtherThatIsPassedOnUnseen can't be counted for who gets it.
func TestEtherThatIsPassedOnUnseen(t *testing.T) {
	t.Parallel()
	hidden := calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})
	fails(t, limitOf(limit.Value, limit.PerRecipient), transaction(to(router()), 5, hidden), "may pass ether on")
	check(t, limitOf(limit.Value, limit.PerRecipient), transaction(to(router()), 0, hidden), "", nil)
	check(t, limitOf(limit.Value), transaction(to(router()), 5, hidden), place, want{"daily/value": small(5)})
}

// TestCallsOfOthers: what typed data lets others do in the name of the account may
// spend its ether. An order does not.
func TestCallsOfOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range map[string]struct {
		members []string
		counts  bool
	}{
		"a user operation": {[]string{"sender", "nonce", "callData"}, false},
		"a delegation":     {[]string{"delegate", "authority", "caveats"}, false},
		"a forwarder":      {[]string{"from", "to", "data"}, false},
		"an order":         {[]string{"sellToken", "buyToken"}, true},
		"a loan":           {[]string{"delegatee", "value"}, true},
	} {
		data := &apitypes.TypedData{PrimaryType: "Document", Types: apitypes.Types{"EIP712Domain": {{Name: "name", Type: "string"}}}, Message: apitypes.TypedDataMessage{}}
		for _, member := range tt.members {
			data.Types["Document"] = append(data.Types["Document"], apitypes.Type{Name: member, Type: "uint256"})
			data.Message[member] = "1"
		}
		f := facts.Of(&rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: account()}, ChainID: big.NewInt(1), Digest: common.Hash{1, 2}, TypedData: data}, time.Time{})
		for _, measure := range []limit.Measure{limit.Value, limit.Spend, limit.GasCost} {
			if l := limitOf(measure); tt.counts {
				check(t, l, f, "", nil)
			} else {
				fails(t, l, f, "ether of the account")
			}
		}
		check(t, limitOf(limit.Signatures), f, inPlace(), want{"daily/signatures": small(1)})
	}
}
