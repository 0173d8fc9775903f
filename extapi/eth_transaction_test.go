package extapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
)

// opTransaction is a transaction as the client of op-service sends it: addresses
// in lower case, call data in input alone, and null for what is not there.
const opTransaction = `{"from":"0x71562b71999873db5b286df957af199ec94617f7","to":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
	"gas":"0x5208","gasPrice":null,"maxFeePerGas":"0x2540be400","maxPriorityFeePerGas":"0x3b9aca00","value":"0x1","nonce":"0x7",
	"data":null,"input":"0x","accessList":[],"chainId":"0x539"}`

// altered is opTransaction with other members; nil removes one.
func altered(t testing.TB, members map[string]any) string {
	t.Helper()
	var transaction map[string]any
	if err := json.Unmarshal([]byte(opTransaction), &transaction); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if transaction[name] = value; value == nil {
			delete(transaction, name)
		}
	}
	text, err := json.Marshal(transaction)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// null is a member that is there, and null.
var null = json.RawMessage("null")

// legacy are the members of a transaction with a gas price.
func legacy(further map[string]any) map[string]any {
	members := map[string]any{"maxFeePerGas": nil, "maxPriorityFeePerGas": nil, "accessList": nil, "gasPrice": "0x0"}
	maps.Copy(members, further)
	return members
}

// decoded is the transaction of an answer, which must be the sender's.
func decoded(t testing.TB, raw hexutil.Bytes) *types.Transaction {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(1337)), tx)
	if err != nil || from != common.HexToAddress(testAddress) || tx.ChainId().Int64() != 1337 || !tx.Protected() {
		t.Fatalf("signed by %v for chain %v: %v", from, tx.ChainId(), err)
	}
	return tx
}

const blobHash = "0x01b0a4cdd5f55589f5c5b4d46c76704bb6ce95c0a8c09f77f197a57808dded28"

// TestEthSignTransaction are the requests of op-batcher and op-proposer, and of
// clients of Web3Signer. The answer is one string.
func TestEthSignTransaction(t *testing.T) {
	w, decider := newEthCaller(t, func(cfg *Config) { cfg.Advanced = true })
	code := "0x" + strings.Repeat("60", 50)
	for name, tt := range map[string]struct {
		members map[string]any
		kind    uint8
		check   func(tx *types.Transaction) bool
	}{
		"dynamic fee":           {nil, 2, func(tx *types.Transaction) bool { return tx.GasFeeCap().Int64() == 10_000_000_000 && tx.Nonce() == 7 }},
		"access list null":      {map[string]any{"accessList": null}, 2, nil},
		"call data":             {map[string]any{"input": "0x00aabbcc"}, 2, func(tx *types.Transaction) bool { return hexutil.Encode(tx.Data()) == "0x00aabbcc" }},
		"both call data, equal": {map[string]any{"input": "0x00", "data": "0x00"}, 2, func(tx *types.Transaction) bool { return len(tx.Data()) == 1 }},
		"creation":              {map[string]any{"to": null, "input": code}, 2, func(tx *types.Transaction) bool { return tx.To() == nil && len(tx.Data()) == 50 }},
		"without value":         {map[string]any{"value": null}, 2, func(tx *types.Transaction) bool { return tx.Value().Sign() == 0 }},
		"its type":              {map[string]any{"type": "0x2"}, 2, nil},
		"blobs": {map[string]any{"blobVersionedHashes": []string{blobHash}, "maxFeePerBlobGas": "0x1"}, 3, func(tx *types.Transaction) bool {
			return tx.BlobTxSidecar() == nil && tx.BlobHashes()[0] == common.HexToHash(blobHash)
		}},
		"no blobs":       {map[string]any{"blobVersionedHashes": null, "maxFeePerBlobGas": null}, 2, nil},
		"legacy":         {legacy(nil), 0, func(tx *types.Transaction) bool { return tx.GasPrice().Sign() == 0 }},
		"legacy, no id":  {legacy(map[string]any{"chainId": nil}), 0, nil},
		"access list":    {legacy(map[string]any{"accessList": []any{map[string]any{"address": testRecipient, "storageKeys": []string{blobHash}}}}), 1, func(tx *types.Transaction) bool { return len(tx.AccessList()) == 1 }},
		"upper case to":  {map[string]any{"to": "0x" + strings.ToUpper(testRecipient[2:])}, 2, nil},
		"a checksum too": {map[string]any{"to": testRecipient, "from": testAddress}, 2, nil},
	} {
		var raw hexutil.Bytes
		w.result("eth_signTransaction", "["+altered(t, tt.members)+"]", &raw)
		tx := decoded(t, raw)
		if tx.Type() != tt.kind || tt.check != nil && !tt.check(tx) {
			t.Errorf("%s: %+v", name, tx)
		}
		req := decider.last(t)
		if req.Method != "eth_signTransaction" || req.Kind != rules.KindTransaction || req.Digest != types.LatestSignerForChainID(big.NewInt(1337)).Hash(tx) || len(req.Filled) > 0 {
			t.Errorf("%s: asked %+v", name, req)
		}
		wantRebuilt(t, req)
	}
}

// TestEthSetCode: authorizations are signed as by account_signTransaction.
func TestEthSetCode(t *testing.T) {
	w, _ := newEthCaller(t, nil)
	signer := newKeySigner(t)
	authorization, err := types.SignSetCode(signer.key, types.SetCodeAuthorization{Address: common.HexToAddress(testRecipient)})
	if err != nil {
		t.Fatal(err)
	}
	var raw hexutil.Bytes
	w.result("eth_signTransaction", "["+altered(t, map[string]any{"authorizationList": []any{authorization}})+"]", &raw)
	if tx := decoded(t, raw); tx.Type() != 4 || len(tx.SetCodeAuthorizations()) != 1 {
		t.Errorf("signed %+v", tx)
	}
}

// TestPlainTransfersNeedNoChecksum: what has no checksum has no wrong one, in a
// signer that takes warnings seriously. A wrong one is still found.
func TestPlainTransfersNeedNoChecksum(t *testing.T) {
	w, _ := newEthCaller(t, nil)
	var raw hexutil.Bytes
	w.result("eth_signTransaction", "["+opTransaction+"]", &raw)
	if tx := decoded(t, raw); *tx.To() != common.HexToAddress(testRecipient) {
		t.Errorf("to %v", tx.To())
	}
	wrong := strings.Replace(testRecipient, "F", "f", 1)
	if answer := w.call("eth_signTransaction", "["+altered(t, map[string]any{"to": wrong})+"]"); answer.code() != -32010 || !strings.Contains(answer.message(), "checksum") {
		t.Errorf("a wrong checksum: %+v", answer.Error)
	}
}

// TestEthSignTransactionRefuses what op-signer refuses, and what would be signed
// otherwise than it is written.
func TestEthSignTransactionRefuses(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	for name, tt := range map[string]struct {
		members map[string]any
		code    int
		want    string
	}{
		"no gas":              {map[string]any{"gas": null}, -32010, "gas is missing"},
		"no nonce":            {map[string]any{"nonce": nil}, -32010, "nonce is missing"},
		"no fees":             {legacy(map[string]any{"gasPrice": nil}), -32010, "the fees are missing"},
		"no fee cap":          {map[string]any{"maxFeePerGas": null}, -32010, "the fees are missing"},
		"no tip":              {map[string]any{"maxPriorityFeePerGas": nil}, -32010, "maxPriorityFeePerGas is missing"},
		"caps and price":      {map[string]any{"gasPrice": "0x1"}, -32010, "gasPrice does not belong"},
		"tip above cap":       {map[string]any{"maxPriorityFeePerGas": "0x2540be401"}, -32010, "is above maxFeePerGas"},
		"no chain":            {map[string]any{"chainId": null}, -32010, "chainId is missing"},
		"another chain":       {map[string]any{"chainId": "0x1"}, -32010, "does not match the configuration"},
		"creation of nothing": {map[string]any{"to": nil}, -32010, "its code is missing"},
		"hashes without cap":  {map[string]any{"blobVersionedHashes": []string{blobHash}}, -32010, "maxFeePerBlobGas is missing"},
		"cap without hashes":  {map[string]any{"maxFeePerBlobGas": "0x1"}, -32010, "maxFeePerBlobGas without blobs"},
		"empty hashes":        {map[string]any{"blobVersionedHashes": []string{}, "maxFeePerBlobGas": "0x1"}, -32010, "blobVersionedHashes is empty"},
		"blobs to nobody":     {map[string]any{"to": nil, "input": "0x" + strings.Repeat("60", 50), "blobVersionedHashes": []string{blobHash}, "maxFeePerBlobGas": "0x1"}, -32010, "recipient must be set"},
		"a sidecar":           {map[string]any{"commitments": []string{}}, -32010, "add the sidecar to the answer"},
		"another type":        {map[string]any{"type": "0x0"}, -32010, "does not agree"},
		"unknown call data":   {map[string]any{"input": "0x00aabbcc"}, -32010, "validation failed"},
		"data and input":      {map[string]any{"data": "0x00", "input": "0x01"}, -32602, "data and input differ"},
		"data, empty input":   {map[string]any{"data": "0x00"}, -32602, "data and input differ"},
		"no sender":           {map[string]any{"from": null}, -32602, `missing member "from"`},
		"another member":      {map[string]any{"gasLimit": "0x1"}, -32602, `unknown member "gasLimit"`},
		"other case":          {map[string]any{"Nonce": "0x1"}, -32602, `it is spelled "nonce"`},
		"a number":            {map[string]any{"nonce": 7}, -32602, "invalid argument 0"},
		"unknown account":     {map[string]any{"from": testRecipient}, -32010, "unknown account"},
	} {
		answer := w.call("eth_signTransaction", "["+altered(t, tt.members)+"]")
		if answer.code() != tt.code || !strings.Contains(answer.message(), tt.want) {
			t.Errorf("%s: %+v", name, answer.Error)
		}
	}
	for _, params := range []string{`[]`, `[null]`, `["x"]`, `[[]]`, `[{}]`, "[" + opTransaction + "," + opTransaction + "]"} {
		if answer := w.call("eth_signTransaction", params); answer.code() != -32602 {
			t.Errorf("%s: %+v", params, answer.Error)
		}
	}
	if twice := w.call("eth_signTransaction", strings.Replace("["+opTransaction+"]", `"nonce":"0x7"`, `"nonce":"0x7","nonce":"0x8"`, 1)); twice.code() != -32602 {
		t.Errorf("a member twice: %+v", twice.Error)
	}
	if decider.asked() != 1 { // unknown account
		t.Errorf("%d requests were judged", decider.asked())
	}
	several, _ := newEthCaller(t, forChains(10, 1337))
	if answer := several.call("eth_signTransaction", "["+altered(t, legacy(map[string]any{"chainId": nil}))+"]"); answer.code() != -32010 || !strings.Contains(answer.message(), "10, 1337") {
		t.Errorf("no chain among several: %+v", answer.Error)
	}
}

// FuzzCompleteTransaction looks for signed transactions that are not what the JSON
// says. The JSON is read again without the decoder under test.
func FuzzCompleteTransaction(f *testing.F) {
	f.Add([]byte(opTransaction))
	for _, members := range []map[string]any{
		{"accessList": null},
		{"input": "0x00aabbcc"},
		{"data": "0x00", "input": nil},
		{"to": nil, "input": "0x" + strings.Repeat("60", 50)},
		legacy(nil),
		{"blobVersionedHashes": []string{blobHash}, "maxFeePerBlobGas": "0x1"},
		{"gas": null},
		legacy(map[string]any{"chainId": nil}),
	} {
		f.Add([]byte(altered(f, members)))
	}
	decider := new(lastDecider)
	account, _ := newTestAccount(f, func(cfg *Config) { cfg.Decider, cfg.Advanced = decider, true })
	api := ethAPI{NewSignatory(account)}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var args CompleteTransaction
		if json.Unmarshal(raw, &args) != nil {
			return
		}
		signed, err := api.SignTransaction(t.Context(), args)
		if err != nil {
			if err.Error() == errInternal.Error() {
				t.Fatalf("internal error for %s", raw)
			}
			return
		}
		compareWithJSON(t, raw, &SignedTransaction{Raw: signed})
		wantRebuilt(t, decider.request)
	})
}

// TestEthIsReachedByRulesAlike: the same transaction by both methods is the same
// request, but for the method.
func TestEthIsReachedByRulesAlike(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	members := map[string]any{"accessList": nil, "gasPrice": nil, "data": nil, "to": testRecipient, "from": testAddress}
	var digests []common.Hash
	for _, method := range []string{"eth_signTransaction", "account_signTransaction"} {
		if answer := w.call(method, "["+altered(t, members)+"]"); answer.Error != nil {
			t.Fatalf("%s: %+v", method, answer.Error)
		}
		req := decider.last(t)
		digests = append(digests, req.Digest)
		req.ID, req.Method = "", ""
		if len(digests) == 2 && digests[0] != digests[1] {
			t.Errorf("digests %v", digests)
		}
	}
	first, second := decider.requests[0], decider.requests[1]
	for _, req := range []*rules.Request{first, second} {
		req.Caller = rules.Caller{}
	}
	if is, want := asText(t, first), asText(t, second); is != want {
		t.Errorf("asked\n%s\nand\n%s", is, want)
	}
	if !slices.Equal(first.Findings, second.Findings) {
		t.Errorf("findings %s and %s", fmt.Sprint(first.Findings), fmt.Sprint(second.Findings))
	}
}
