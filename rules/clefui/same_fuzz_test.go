package clefui

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/clefargs"
)

// FuzzSame: an interface that answers with another transaction than it was asked
// about is never taken to have answered with the same.
func FuzzSame(f *testing.F) {
	var asked clefargs.Transaction
	asked.From = common.NewMixedcaseAddress(common.Address{1})
	to := common.NewMixedcaseAddress(common.Address{2})
	asked.To, asked.Gas, asked.Nonce = &to, 21000, 7
	data := hexutil.Bytes{1, 2, 3}
	asked.Data = &data
	text, err := json.Marshal(&asked)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, other := range []string{``, `null`, `{}`, `[]`, `{"from":null}`, `{"value":"0x"}`, `{"from":"0x01","nonce":"0xffffffffffffffffff"}`, `{"maxFeePerGas":"0x1"}`, `{"authorizationList":[null]}`} {
		f.Add([]byte(other))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		equal, err := same(&asked, answer)
		if err != nil && equal {
			t.Fatal("the same, with an error")
		}
		if !equal || len(answer) == 0 || string(answer) == "null" {
			return
		}
		var got clefargs.Transaction
		if err := json.Unmarshal(answer, &got); err != nil {
			t.Fatal(err)
		}
		if got.From.Address() != asked.From.Address() || got.To == nil || got.To.Address() != to.Address() || got.Nonce != asked.Nonce || got.Gas != asked.Gas || got.Value.ToInt().Sign() != 0 {
			t.Errorf("%s is taken for the same", answer)
		}
	})
}
