package extapi

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
)

// FuzzSignTransactionArgs looks for panics, and for signed transactions that
// are not what the JSON says. The JSON is read again here without the decoder
// under test.
func FuzzSignTransactionArgs(f *testing.F) {
	for _, c := range readCaptures(f) {
		var request struct {
			Method string
			Params []json.RawMessage
		}
		if json.Unmarshal(c.Request, &request) != nil || request.Method != "account_signTransaction" || len(request.Params) == 0 || bytes.Contains(request.Params[0], []byte("zero bytes")) {
			continue
		}
		f.Add([]byte(request.Params[0]), true)
		f.Add([]byte(request.Params[0]), false)
	}
	decider := new(lastDecider)
	plain, _ := newTestAccount(f, func(cfg *Config) { cfg.Decider = decider })
	free, _ := newTestAccount(f, func(cfg *Config) { cfg.Decider, cfg.Advanced = decider, true })
	f.Fuzz(func(t *testing.T, raw []byte, isAdvanced bool) {
		var args TransactionArgs
		if err := json.Unmarshal(raw, &args); err != nil {
			return
		}
		if len(args.Blobs) > 0 {
			return // proofs take long; TestSignBlobs has them
		}
		account := plain
		if isAdvanced {
			account = free
		}
		signed, err := account.SignTransaction(t.Context(), args, nil)
		if err != nil {
			if err.Error() == errInternal.Error() {
				t.Fatalf("internal error for %s", raw)
			}
			return
		}
		compareWithJSON(t, raw, signed)
		wantRebuilt(t, decider.request)
	})
}

// compareWithJSON compares a signed transaction with the request it is for,
// member by member.
func compareWithJSON(t *testing.T, raw []byte, signed *SignedTransaction) {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(signed.Raw); err != nil {
		t.Fatal(err)
	}
	var asked map[string]any
	if err := json.Unmarshal(raw, &asked); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		value, _ := asked[name].(string)
		return value
	}
	number := func(name string) *big.Int {
		value, err := hexutil.DecodeBig(text(name))
		if err != nil {
			return new(big.Int)
		}
		return value
	}
	sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(1337)), tx)
	if err != nil || sender != common.HexToAddress(text("from")) {
		t.Errorf("the sender is %v (%v), asked %s", sender, err, text("from"))
	}
	if asked["to"] == nil && tx.To() != nil || asked["to"] != nil && (tx.To() == nil || *tx.To() != common.HexToAddress(text("to"))) {
		t.Errorf("the recipient is %v, asked %v", tx.To(), asked["to"])
	}
	data := text("data")
	if data == "" {
		data = text("input")
	}
	if !bytes.Equal(tx.Data(), common.FromHex(data)) {
		t.Errorf("call data %x, asked %s", tx.Data(), data)
	}
	want := map[string]*big.Int{"nonce": new(big.Int).SetUint64(tx.Nonce()), "gas": new(big.Int).SetUint64(tx.Gas()), "value": tx.Value()}
	switch tx.Type() {
	case types.LegacyTxType, types.AccessListTxType:
		want["gasPrice"] = tx.GasPrice()
	default:
		want["maxFeePerGas"], want["maxPriorityFeePerGas"] = tx.GasFeeCap(), tx.GasTipCap()
	}
	if tx.Type() == types.BlobTxType {
		want["maxFeePerBlobGas"] = tx.BlobGasFeeCap()
	}
	for _, name := range []string{"nonce", "gas", "value", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"} {
		got := want[name]
		if got == nil {
			got = new(big.Int) // not in the transaction: then it must not be asked
		}
		if got.Cmp(number(name)) != 0 {
			t.Errorf("%s is %v, asked %v", name, got, asked[name])
		}
	}
	if tx.ChainId().Int64() != 1337 || !tx.Protected() {
		t.Errorf("chain %v", tx.ChainId())
	}
	compareLists(t, asked, tx)
}

// compareLists compares the members that are lists.
func compareLists(t *testing.T, asked map[string]any, tx *types.Transaction) {
	t.Helper()
	again := func(name string, into any) {
		raw, err := json.Marshal(asked[name])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	var access types.AccessList
	again("accessList", &access)
	if len(access) != len(tx.AccessList()) || len(access) > 0 && !reflect.DeepEqual(access, tx.AccessList()) {
		t.Errorf("access list %v, asked %v", tx.AccessList(), asked["accessList"])
	}
	var hashes []common.Hash
	again("blobVersionedHashes", &hashes)
	if len(hashes) != len(tx.BlobHashes()) || len(hashes) > 0 && !reflect.DeepEqual(hashes, tx.BlobHashes()) {
		t.Errorf("hashes %v, asked %v", tx.BlobHashes(), asked["blobVersionedHashes"])
	}
	var authorizations []types.SetCodeAuthorization
	again("authorizationList", &authorizations)
	if len(authorizations) != len(tx.SetCodeAuthorizations()) || len(authorizations) > 0 && !reflect.DeepEqual(authorizations, tx.SetCodeAuthorizations()) {
		t.Errorf("authorizations %v, asked %v", tx.SetCodeAuthorizations(), asked["authorizationList"])
	}
}

// BenchmarkSignTransaction decodes, validates, signs and encodes a dynamic-fee
// transaction, with a key in memory.
func BenchmarkSignTransaction(b *testing.B) {
	account, _ := newTestAccount(b, func(cfg *Config) { cfg.Decider = rules.ApproveAll{} })
	raw, err := json.Marshal(dynamicFee)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var args TransactionArgs
		if err := json.Unmarshal(raw, &args); err != nil {
			b.Fatal(err)
		}
		signed, err := account.SignTransaction(b.Context(), args, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(signed); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallData validates a call of transfer.
func BenchmarkCallData(b *testing.B) {
	v := newValidator(b)
	args := callArgs(testRecipient, "0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb922660000000000000000000000000000000000000000000000000000000000000001")
	if _, err := v.Validate(nil, &args); err != nil { // loads the selectors
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Validate(nil, &args); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadSelectors makes the table of selectors.
func BenchmarkLoadSelectors(b *testing.B) {
	for b.Loop() {
		if _, err := loadSelectors(); err != nil {
			b.Fatal(err)
		}
	}
}
