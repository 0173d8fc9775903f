package extapi

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// TestUnsignedIsWhatIsSigned: the transaction that is made before anybody decides is the
// one that is signed, and what would not be signed is refused already then.
func TestUnsignedIsWhatIsSigned(t *testing.T) {
	chain := big.NewInt(1337)
	account, decider := newTestAccount(t, advanced)
	made := func(change map[string]any) PartialTransaction {
		t.Helper()
		raw, err := json.Marshal(with(dynamicFee, change))
		if err != nil {
			t.Fatal(err)
		}
		var partial PartialTransaction
		if err := partial.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		return partial
	}
	for name, change := range map[string]map[string]any{
		"transfer": nil, "input": {"input": "0x6001"}, "data": {"data": "0x6001"}, "both": {"data": "0x6001", "input": "0x6001"},
		"largest call data": {"data": "0x" + strings.Repeat("00", maxCallData)},
		"legacy":            {"maxFeePerGas": nil, "maxPriorityFeePerGas": nil, "gasPrice": "0x1"},
		"set code":          {"authorizationList": []any{authorize(t, 1337)}, "input": "0x6001"},
	} {
		partial := made(change)
		if err := partial.Check(chain); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		args := partial.Complete()
		tx, err := args.Unsigned(chain)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := account.SignTransaction(t.Context(), partial.Complete(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if digest := types.LatestSignerForChainID(chain).Hash(tx); digest != decider.last(t).Digest {
			t.Errorf("%s: signed is another transaction", name)
		}
	}
	asked := decider.asked()
	for name, change := range map[string]func(*PartialTransaction){
		"data and input differ": func(p *PartialTransaction) { p.Input, p.Data = &hexutil.Bytes{1}, &hexutil.Bytes{2} },
		"too much input":        func(p *PartialTransaction) { input := make(hexutil.Bytes, maxCallData+1); p.Input = &input },
		"negative value":        func(p *PartialTransaction) { p.Value = hexutil.Big(*big.NewInt(-1)) },
		"a large value":         func(p *PartialTransaction) { p.Value = hexutil.Big(*new(big.Int).Lsh(chain, 256)) },
		"another type":          func(p *PartialTransaction) { legacy := hexutil.Uint64(0); p.Type = &legacy },
		"no gas":                func(p *PartialTransaction) { p.Gas = 0 },
	} {
		partial := made(nil)
		change(&partial)
		if err := partial.Check(chain); err == nil {
			t.Errorf("%s: found good", name)
		}
		args := partial.Complete()
		if tx, err := args.Unsigned(chain); err == nil {
			t.Errorf("%s: made %v", name, tx.Hash())
		}
		if _, err := account.SignTransaction(t.Context(), partial.Complete(), nil); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	many := made(nil)
	many.Blobs = make([]kzg4844.Blob, maxBlobs+1)
	if filled, err := many.FillBlobs(0); err == nil {
		t.Errorf("%v are computed of more blobs than are signed", filled)
	}
	undecoded := TransactionArgs{SendTxArgs: made(nil).SendTxArgs}
	if _, err := account.SignTransaction(t.Context(), undecoded, nil); err == nil {
		t.Error("signed what was never decoded, and may lack its nonce")
	}
	if decider.asked() != asked {
		t.Errorf("%d of them were put to the decider", decider.asked()-asked)
	}
}
