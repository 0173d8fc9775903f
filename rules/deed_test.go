package rules

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// TestDeeds: what differs in fees alone is one deed, and nothing else is.
func TestDeeds(t *testing.T) {
	t.Parallel()
	to, other := common.Address{1}, common.Address{2}
	dynamic := func(change func(*types.DynamicFeeTx)) *types.Transaction {
		tx := &types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: 7, Gas: 21000, GasFeeCap: big.NewInt(2), GasTipCap: big.NewInt(1), To: &to, Value: big.NewInt(5), Data: []byte{1}}
		change(tx)
		return types.NewTx(tx)
	}
	deed := func(tx *types.Transaction, digest common.Hash) string {
		text, err := deedOf(&Request{Transaction: tx, Digest: digest})
		if err != nil || len(text) != 43 {
			t.Fatal(text, err)
		}
		return text
	}
	first := deed(dynamic(func(*types.DynamicFeeTx) {}), common.Hash{1})
	for name, tx := range map[string]*types.Transaction{
		"fees":  dynamic(func(tx *types.DynamicFeeTx) { tx.GasFeeCap, tx.GasTipCap = big.NewInt(9), big.NewInt(8) }),
		"gas":   dynamic(func(tx *types.DynamicFeeTx) { tx.Gas = 90000 }),
		"nonce": dynamic(func(tx *types.DynamicFeeTx) { tx.Nonce = 8 }), // it is in the slot
	} {
		if deed(tx, common.Hash{2}) != first {
			t.Errorf("%s make another deed", name)
		}
	}
	seen := map[string]string{first: "the first"}
	for name, tx := range map[string]*types.Transaction{
		"recipient":     dynamic(func(tx *types.DynamicFeeTx) { tx.To = &other }),
		"creation":      dynamic(func(tx *types.DynamicFeeTx) { tx.To = nil }),
		"value":         dynamic(func(tx *types.DynamicFeeTx) { tx.Value = big.NewInt(4) }),
		"data":          dynamic(func(tx *types.DynamicFeeTx) { tx.Data = []byte{2} }),
		"no data":       dynamic(func(tx *types.DynamicFeeTx) { tx.Data = nil }),
		"type":          types.NewTx(&types.LegacyTx{Nonce: 7, Gas: 21000, GasPrice: big.NewInt(2), To: &to, Value: big.NewInt(5), Data: []byte{1}}),
		"blobs":         types.NewTx(&types.BlobTx{To: to, Value: uint256.NewInt(5), Data: []byte{1}, BlobHashes: []common.Hash{{1}}}),
		"other blobs":   types.NewTx(&types.BlobTx{To: to, Value: uint256.NewInt(5), Data: []byte{1}, BlobHashes: []common.Hash{{2}}}),
		"authorization": types.NewTx(&types.SetCodeTx{To: to, Value: uint256.NewInt(5), Data: []byte{1}, AuthList: []types.SetCodeAuthorization{{Address: other}}}),
		"text":          nil,
	} {
		text := deed(tx, common.Hash{2})
		if before, again := seen[text]; again {
			t.Errorf("%s is the deed of %s", name, before)
		}
		seen[text] = name
	}
	if deed(nil, common.Hash{3}) == deed(nil, common.Hash{2}) {
		t.Error("two texts are one deed")
	}
	// The longest slot of a transaction has room for it.
	longest := strings.Repeat("9", 78) + "/0x" + strings.Repeat("a", 40) + "/18446744073709551615"
	charges := inSlots([]Charge{{Counter: "a", Slot: longest}, {Counter: "b", Slot: longest, Firm: true}, {Counter: "c"}}, first)
	if len(charges[0].Slot) > MaxSlot || charges[0].Slot == longest || charges[1].Slot != longest || charges[2].Slot != "" {
		t.Errorf("%+v", charges)
	}
	asked, err := askedOf(&Request{Digest: common.Hash{1}}, first)
	other2, err2 := askedOf(&Request{Digest: common.Hash{2}}, first)
	if err != nil || err2 != nil || asked == first || asked == other2 || len(asked) != len(first) {
		t.Errorf("%s, %s, %v, %v", asked, other2, err, err2)
	}
}
