package approval

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// TestSubjectsTellRequestsApart has each member of a request: what changes the
// signature or what people are shown makes another subject. One that is added to the
// request later fails here until it is decided what it is.
func TestSubjectsTellRequestsApart(t *testing.T) {
	t.Parallel()
	base := func() *rules.Request {
		to := common.Address{9}
		return &rules.Request{
			ID: "r", Kind: rules.KindTransaction, Method: "m", Principal: "p", Account: rules.Account{Address: common.Address{1}, Vault: "v", Key: "k", Version: "1"},
			Digest: common.Hash{1}, ChainID: big.NewInt(1), Transaction: types.NewTx(&types.LegacyTx{To: &to, Gas: 1, GasPrice: big.NewInt(1), Value: big.NewInt(1)}),
		}
	}
	subject := func(change func(*rules.Request)) string {
		req := base()
		change(req)
		text, err := subjectText(req)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	changes := map[string]func(*rules.Request){
		"Kind":        func(r *rules.Request) { r.Kind = rules.KindText },
		"Method":      func(r *rules.Request) { r.Method = "n" },
		"Account":     func(r *rules.Request) { r.Account.Key = "l" },
		"Principal":   func(r *rules.Request) { r.Principal = "q" },
		"Accounts":    func(r *rules.Request) { r.Accounts = []rules.Account{{Address: common.Address{2}}} },
		"Digest":      func(r *rules.Request) { r.Digest[0]++ },
		"ChainID":     func(r *rules.Request) { r.ChainID = big.NewInt(2) },
		"Transaction": func(r *rules.Request) { r.Transaction = types.NewTx(&types.LegacyTx{Nonce: 1}) },
		"Filled":      func(r *rules.Request) { r.Filled = []string{"nonce"} },
		"TypedData":   func(r *rules.Request) { r.TypedData = &apitypes.TypedData{PrimaryType: "Mail"} },
		"Payload":     func(r *rules.Request) { r.Payload = &rules.BlockPayload{Hash: common.Hash{1}} },
		"ContentType": func(r *rules.Request) { r.ContentType = "text/plain" },
		"Preimage": func(r *rules.Request) {
			r.Transaction, r.Preimage = nil, []byte("x")
		},
		"Messages": func(r *rules.Request) { r.Messages = []*apitypes.NameValueType{{Name: "a", Typ: "b", Value: "c"}} },
		"Call":     func(r *rules.Request) { r.Call = &rules.Call{Method: "f()"} },
		"Findings": func(r *rules.Request) { r.Findings = []apitypes.ValidationInfo{{Typ: "WARNING", Message: "m"}} },
	}
	same := map[string]func(*rules.Request){
		"ID":     func(r *rules.Request) { r.ID = "s" },                     // each request has its own
		"Caller": func(r *rules.Request) { r.Caller.Remote = "10.0.0.1:1" }, // a port is another each time; who asks is the principal
		// The same account and the same transaction in another spelling.
		"Spelling":        func(r *rules.Request) { r.Spelling = "0x0100000000000000000000000000000000000000" },
		"TransactionArgs": func(r *rules.Request) { r.TransactionArgs = new(apitypes.SendTxArgs) },
	}
	unchanged := subject(func(*rules.Request) {})
	for name, change := range changes {
		if subject(change) == unchanged {
			t.Errorf("another %s is the same to people", name)
		}
	}
	for name, change := range same {
		if subject(change) != unchanged {
			t.Errorf("another %s makes another subject: an equal request would not find its ticket", name)
		}
	}
	typ := reflect.TypeFor[rules.Request]()
	for i := range typ.NumField() {
		if name := typ.Field(i).Name; changes[name] == nil && same[name] == nil {
			t.Errorf("nobody has decided what %s means to people", name)
		}
	}
}

// FuzzDecodeRecord: whatever the store holds is read as it was written, or refused.
func FuzzDecodeRecord(f *testing.F) {
	content := Content{ID: "abcdefgh234567ab", Subject: json.RawMessage(`{}`), Quorums: []rules.Quorum{{Group: "g", Threshold: 1, Of: []string{"a"}}}}
	text, err := json.Marshal(content)
	if err != nil {
		f.Fatal(err)
	}
	value, err := encodeRecord(&record{Text: string(text), State: StateOpen, Votes: []Vote{{Person: "a", Approve: true, Way: "test"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"version":1,"text":"{}","state":"open"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, content, err := decodeRecord("ticket/abcdefgh234567ab", value)
		if err != nil {
			return
		}
		e, err := newEntry(r, content, value)
		if err != nil {
			return
		}
		e.ticket().Missing()
		again, err := encodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := decodeRecord("ticket/abcdefgh234567ab", again)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := encodeRecord(other); err != nil || !bytes.Equal(second, again) {
			t.Errorf("%s is written as %s, %v", again, second, err)
		}
	})
}
