package limit_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// permit2 is a permit of Permit2 for 5 units, which does not say whose they are.
func permit2(account common.Address) *facts.Facts {
	field := func(name, kind string) apitypes.Type { return apitypes.Type{Name: name, Type: kind} }
	return facts.Of(&rules.Request{
		Kind: rules.KindTypedData, Account: rules.Account{Address: account}, ChainID: big.NewInt(1), Digest: common.Hash{3},
		TypedData: &apitypes.TypedData{
			PrimaryType: "PermitTransferFrom",
			Types: apitypes.Types{
				"EIP712Domain":       {field("name", "string"), field("chainId", "uint256"), field("verifyingContract", "address")},
				"PermitTransferFrom": {field("permitted", "TokenPermissions"), field("spender", "address"), field("nonce", "uint256"), field("deadline", "uint256")},
				"TokenPermissions":   {field("token", "address"), field("amount", "uint256")},
			},
			Domain: apitypes.TypedDataDomain{Name: "Permit2", VerifyingContract: "0x000000000022D473030F116dDEE9F6B43aC78BA3"},
			Message: apitypes.TypedDataMessage{
				"permitted": map[string]any{"token": usdc().Hex(), "amount": "5"}, "spender": alice().Hex(), "nonce": "1", "deadline": "99",
			},
		},
	}, time.Time{})
}

// by is the same request of another account: its digest is the same.
func by(f *facts.Facts, account common.Address) *facts.Facts {
	req := *f.Request
	req.Account.Address = account
	return facts.Of(&req, f.Time)
}

// TestOneDigestOfSeveralAccounts: what several accounts sign with one digest counts
// for each, unless it is done once however many sign.
func TestOneDigestOfSeveralAccounts(t *testing.T) {
	t.Parallel()
	text := facts.Of(&rules.Request{Kind: rules.KindText, Account: rules.Account{Address: account()}, Digest: common.Hash{4}}, time.Time{})
	for name, tt := range map[string]struct {
		limit limit.Limit
		asked *facts.Facts
		total uint64
	}{
		"a permit":                    {ofUSDC(), permit2(account()), 10},
		"signatures of a text":        {limitOf(limit.Signatures), text, 2},
		"signatures of a transaction": {limitOf(limit.Signatures), transaction(to(alice()), 1, nil), 2},
		"signatures of a Safe":        {limitOf(limit.Signatures), ofSafe(alice(), common.Address{}, 3, nil, "0"), 2},
		"payments":                    {limitOf(limit.Value), transaction(to(alice()), 1, nil), 2},
		"what a Safe pays":            {limitOf(limit.Value), ofSafe(alice(), common.Address{}, 3, nil, "0"), 3},
	} {
		ledger := memory.NewLedger(time.Now)
		var counter string
		for range 2 { // again it counts nothing
			for _, f := range []*facts.Facts{tt.asked, by(tt.asked, bob())} {
				charges, err := tt.limit.Charges(f)
				if err != nil || len(charges) != 1 {
					t.Fatalf("%s: %v, %v", name, charges, err)
				}
				if _, err := ledger.Hold(t.Context(), charges); err != nil {
					t.Fatal(err)
				}
				counter = charges[0].Counter
			}
		}
		if total := ledger.Total(counter); total.CmpUint64(tt.total) != 0 {
			t.Errorf("%s: %s, want %d", name, total.Dec(), tt.total)
		}
	}
}

// TestEtherOfABatchThatIsPassedOnUnseen: the same for what a Safe sends by a batch.
func TestEtherOfABatchThatIsPassedOnUnseen(t *testing.T) {
	t.Parallel()
	hidden := calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})
	perRecipient := limitOf(limit.Value, limit.PerRecipient)
	batch := func(wei uint64) *facts.Facts {
		return ofSafe(batches(), common.Address{}, 0, multiSend(t, facts.Action{To: to(router()), Value: small(wei), Data: hidden}), "1")
	}
	fails(t, perRecipient, batch(5), "may pass ether on")
	check(t, perRecipient, batch(0), "", nil)
	check(t, limitOf(limit.Value), batch(5), common.Hash{1, 2}.Hex(), want{"daily/value": small(5)})
}
