package extapi

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// TestSignatory: what is signed for another namespace is asked in its name, by
// whom the listener says, with what was filled in.
func TestSignatory(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	var partial PartialTransaction
	if err := json.Unmarshal([]byte(`{"from":"`+testAddress+`","to":"`+testAddress+`","gasPrice":"0x1","gas":null}`), &partial); err != nil {
		t.Fatal(err)
	}
	if partial.HasGas || partial.HasNonce {
		t.Fatalf("nothing is to be filled in of %+v", partial)
	}
	partial.Gas = 21000
	partial.Nonce = 7
	ctx := WithCaller(t.Context(), rules.Caller{Transport: "ws", Remote: "10.0.0.1:5"}, "batcher.prod")
	signed, err := NewSignatory(account).SignTransaction(ctx, "eth_sendTransaction", partial.Complete(), []string{"gas", "nonce"})
	if err != nil || signed.Tx.Nonce() != 7 {
		t.Fatalf("%+v, %v", signed, err)
	}
	req := decider.last(t)
	if req.Method != "eth_sendTransaction" || req.Principal != "batcher.prod" || req.Caller.Transport != "ws" || !slices.Equal(req.Filled, []string{"gas", "nonce"}) {
		t.Errorf("asked is %+v", req)
	}
}

// TestPartialTransactionNeedsAnAccount: the account alone can't be filled in.
func TestPartialTransactionNeedsAnAccount(t *testing.T) {
	for _, raw := range []string{`{}`, `{"from":null}`, `{"from":"` + testAddress + `","feePayer":"0x1"}`} {
		if err := new(PartialTransaction).UnmarshalJSON([]byte(raw)); err == nil {
			t.Errorf("%s is accepted", raw)
		}
	}
}

// TestSignatoryMessages: text and typed data are signed as the account methods
// sign them, in the name of the method that asks.
func TestSignatoryMessages(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	signatory, from := NewSignatory(account), common.HexToAddress(testAddress)
	document := `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"Mail":[{"name":"text","type":"string"}]},
		"primaryType":"Mail","domain":{"name":"mail"},"message":{"text":"caf\u00e9"}}`
	held, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := signatory.Accounts(t.Context(), "eth_accounts")
	if err != nil || !slices.Equal(listed, []common.Address{from}) || decider.last(t).Method != "eth_accounts" {
		t.Errorf("listed %v of %s, %v", listed, decider.last(t).Method, err)
	}
	for name, sign := range map[string]func() (hexutil.Bytes, error){
		"eth_sign": func() (hexutil.Bytes, error) {
			return signatory.SignText(t.Context(), "eth_sign", from, []byte("hello"))
		},
		"eth_signTypedData": func() (hexutil.Bytes, error) {
			return signatory.SignTypedData(t.Context(), "eth_signTypedData", from, json.RawMessage(document))
		},
		"eth_signTypedData_v4": func() (hexutil.Bytes, error) {
			return signatory.SignTypedData(t.Context(), "eth_signTypedData_v4", from, held)
		},
	} {
		signature, err := sign()
		if err != nil || len(signature) != 65 || signature[64] < 27 {
			t.Errorf("%s: %v, %v", name, signature, err)
			continue
		}
		req := decider.last(t)
		signature[64] -= 27
		key, err := crypto.SigToPub(req.Digest[:], signature)
		if err != nil || crypto.PubkeyToAddress(*key) != from || req.Method != name {
			t.Errorf("%s: signed for %s, %v", name, req.Method, err)
		}
	}
	asked := decider.asked()
	for _, raw := range []string{``, `null`, `[]`, `7`, `"`, `"{}`, `"\ud800"`, `"` + "\xff" + `"`} {
		if _, err := signatory.SignTypedData(t.Context(), "eth_signTypedData", from, json.RawMessage(raw)); err == nil || err.Error() == "internal error" {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := signatory.SignText(t.Context(), "eth_sign", from, make([]byte, maxDataBytes+1)); err == nil {
		t.Error("a text of more than the most is signed")
	}
	if decider.asked() != asked {
		t.Error("what can't be decoded was put to the decider")
	}
}
