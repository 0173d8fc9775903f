package extapi

import (
	"encoding/json"
	"slices"
	"testing"

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
