package clefjs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// seen returns the argument of the function that judges a request, as
// JSON.stringify writes it in the machine.
func seen(t testing.TB, req *rules.Request) string {
	t.Helper()
	var text string
	r := load(t, `function ApproveTx(r) { console.log("seen"); storage.put("seen", JSON.stringify(r)); return "Approve" }
		var ApproveListing = ApproveTx, ApproveSignData = ApproveTx`, Options{Storage: memory.New(nil)})
	store, ok := r.options.Storage.(*memory.Storage)
	if !ok {
		t.Fatal("another storage")
	}
	if decision, _ := keep(t, r, req); decision.Verdict != rules.Approve {
		t.Fatalf("got %+v", decision)
	}
	text = store.Snapshot()["seen"]
	return text
}

const (
	httpMeta = `{"remote":"127.0.0.1:59276","local":"127.0.0.1:18550","scheme":"http","User-Agent":"probe/1.0","Origin":"https://evil.example"}`
	ipcMeta  = `{"remote":"NA","local":"NA","scheme":"ipc","User-Agent":"","Origin":""}`
)

func TestArgumentOfApproveListing(t *testing.T) {
	req := listing(sender)
	req.Caller = rules.Caller{Transport: "http", Remote: "127.0.0.1:59276", Local: "127.0.0.1:18550", UserAgent: "probe/1.0", Origin: "https://evil.example"}
	want := `{"accounts":[{"address":"0x71562b71999873db5b286df957af199ec94617f7","url":"keyvault://prod/hot/0123"}],"meta":` + httpMeta + `}`
	if got := seen(t, req); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := seen(t, listing()); got != `{"accounts":[],"meta":`+ipcMeta+`}` {
		t.Errorf("got  %s", got)
	}
	req = listing()
	req.Caller = rules.Caller{Transport: "http", Remote: "127.0.0.1:59276"} // of HTTP/1.0, without a Host
	if got := seen(t, req); got != `{"accounts":[],"meta":{"remote":"127.0.0.1:59276","local":"NA","scheme":"http","User-Agent":"","Origin":""}}` {
		t.Errorf("got  %s", got)
	}
}

// TestArgumentOfApproveTx compares with what Clef handed to a rule file for
// the same transaction.
func TestArgumentOfApproveTx(t *testing.T) {
	to := common.NewMixedcaseAddress(recipient)
	data := hexutil.Bytes(common.FromHex("0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb922660000000000000000000000000000000000000000000000000000000000000001"))
	req := &rules.Request{
		Kind: rules.KindTransaction, Caller: rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"},
		TransactionArgs: &apitypes.SendTxArgs{
			From: common.NewMixedcaseAddress(sender), To: &to, Gas: 100000, GasPrice: (*hexutil.Big)(big.NewInt(1e9)), Nonce: 1, Input: &data,
		},
		Findings: []apitypes.ValidationInfo{{Typ: "Info", Message: `Transaction invokes the following method: "transfer(address: 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266,uint256: 1)"`}},
	}
	want := `{"transaction":{"from":"0x71562b71999873DB5b286dF957af199Ec94617F7","to":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","gas":"0x186a0","gasPrice":"0x3b9aca00","maxFeePerGas":null,"maxPriorityFeePerGas":null,"value":"0x0","nonce":"0x1","data":"0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb922660000000000000000000000000000000000000000000000000000000000000001"},"call_info":[{"type":"Info","message":"Transaction invokes the following method: \"transfer(address: 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266,uint256: 1)\""}],"meta":` + ipcMeta + `}`
	if got := seen(t, req); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	// Everything that can be absent is; and a blob transaction without blobs.
	req.Findings = nil
	lower, err := common.NewMixedcaseAddressFromString(strings.ToLower(sender.Hex()))
	if err != nil {
		t.Fatal(err)
	}
	req.TransactionArgs = &apitypes.SendTxArgs{
		From: *lower, ChainID: (*hexutil.Big)(big.NewInt(1337)), AccessList: &types.AccessList{},
		BlobFeeCap: (*hexutil.Big)(big.NewInt(7)), BlobHashes: []common.Hash{{1}},
		Blobs: make([]kzg4844.Blob, 1), Commitments: make([]kzg4844.Commitment, 1), Proofs: make([]kzg4844.Proof, 1),
	}
	want = `{"transaction":{"from":"0x71562b71999873db5b286df957af199ec94617f7","to":null,"gas":"0x0","gasPrice":null,"maxFeePerGas":null,"maxPriorityFeePerGas":null,"value":"0x0","nonce":"0x0","accessList":[],"chainId":"0x539","maxFeePerBlobGas":"0x7","blobVersionedHashes":["0x0100000000000000000000000000000000000000000000000000000000000000"]},"call_info":null,"meta":` + ipcMeta + `}`
	if got := seen(t, req); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(req.TransactionArgs.Blobs) != 1 {
		t.Error("the request was changed")
	}
}

func TestArgumentOfApproveSignData(t *testing.T) {
	req := message("\x19Ethereum Signed Message:\n11hello world")
	req.Digest = common.HexToHash("0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68")
	want := `{"content_type":"text/plain","address":"0x71562b71999873DB5b286dF957af199Ec94617F7","raw_data":"GUV0aGVyZXVtIFNpZ25lZCBNZXNzYWdlOgoxMWhlbGxvIHdvcmxk","messages":[{"name":"message","value":"\u0019Ethereum Signed Message:\n11hello world","type":"text/plain"}],"call_info":null,"hash":"0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68","meta":` + ipcMeta + `}`
	if got := seen(t, req); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestArgumentOfOnApprovedTx compares with Clef's answer, whose signature is
// put in the place of the vault's.
func TestArgumentOfOnApprovedTx(t *testing.T) {
	want := `{"raw":"0x02f86c82053903843b9aca00847735940082520894f39fd6e51aad88f6f4ce6ab8827279cfffb922660180c001a0710108fffe52a34c9b031ed7ae64488f470090f671cd1c72aefa078cdf01cae2a0594b1938ebb9b94ee27738ed043ff89bd024432e75260a4a1ac959572d2728fb","tx":{"type":"0x2","chainId":"0x539","nonce":"0x3","to":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","gas":"0x5208","gasPrice":null,"maxPriorityFeePerGas":"0x3b9aca00","maxFeePerGas":"0x77359400","value":"0x1","input":"0x","accessList":[],"v":"0x1","r":"0x710108fffe52a34c9b031ed7ae64488f470090f671cd1c72aefa078cdf01cae2","s":"0x594b1938ebb9b94ee27738ed043ff89bd024432e75260a4a1ac959572d2728fb","yParity":"0x1","hash":"0x6da160633d4b734edb167b80043f7ef637cdd15dfcccf2d13eaa33ce55487b8c"}}`
	store := memory.New(nil)
	r := load(t, `function ApproveTx() { return "Approve" }; function OnApprovedTx(r) { storage.put("seen", JSON.stringify(r)) }`, Options{Storage: store})
	req := transfer(3, big.NewInt(1), nil)
	_, hold := keep(t, r, req)
	if err := hold.Settle(t.Context(), req, sign(t, req)); err != nil {
		t.Fatal(err)
	}
	if got := store.Snapshot()["seen"]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLongDataKeepsItsPlace covers data that is handed over apart.
func TestLongDataKeepsItsPlace(t *testing.T) {
	data := bytes.Repeat([]byte{0xab}, 100_000)
	got := seen(t, transfer(1, big.NewInt(1), data))
	if !strings.Contains(got, `"nonce":"0x1","data":"`+hexutil.Encode(data)+`"},"call_info"`) {
		t.Errorf("got %.400s", got)
	}
	got = seen(t, message(string(data)))
	if !strings.Contains(got, `","raw_data":"`+base64.StdEncoding.EncodeToString(data)+`","messages"`) {
		t.Errorf("got %.400s", got)
	}
}

// FuzzArguments: what a script sees of a message is what JSON says of it.
func FuzzArguments(f *testing.F) {
	f.Add("hello", "agent", []byte("data"))
	f.Add("\u2028</script>\x00\xff", "\"", []byte{0xff})
	f.Add(strings.Repeat("é", 600), "", bytes.Repeat([]byte{1}, 2000))
	r, err := Load("rules.js", []byte(`function ApproveSignData(r) { storage.put("seen", JSON.stringify([r.messages[0].value, r.meta["User-Agent"], r.raw_data])); return "Approve" }`),
		Options{Storage: memory.New(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(r.Close)
	f.Fuzz(func(t *testing.T, text, agent string, data []byte) {
		if len(text)+len(agent)+len(data) > 100_000 {
			t.Skip()
		}
		req := message(text)
		req.Caller.UserAgent, req.Preimage = agent, data
		if decision, _ := keep(t, r, req); decision.Verdict != rules.Approve {
			t.Fatalf("got %+v", decision)
		}
		store, ok := r.options.Storage.(*memory.Storage)
		if !ok {
			t.Fatal("another storage")
		}
		var got []string
		if err := json.Unmarshal([]byte(store.Snapshot()["seen"]), &got); err != nil {
			t.Fatal(err)
		}
		want := []string{strings.ToValidUTF8(text, "\uFFFD"), strings.ToValidUTF8(agent, "\uFFFD"), base64.StdEncoding.EncodeToString(data)}
		// Go replaces every byte that is not UTF-8, ToValidUTF8 every run of them.
		for i := range 2 {
			want[i] = string([]rune([]string{text, agent}[i]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// FuzzLoad: whatever the source is, loading it ends.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"loop", "recursion", "toJSON", "promises", "repeat", "flat, wide", "long array, spread", "replace", "eval, deep", "buffer"} {
		f.Add(runaways[name])
	}
	f.Add(`function ApproveTx() { return "Approve" }`)
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 4096 {
			t.Skip()
		}
		r, err := Load("rules.js", []byte(source), Options{Timeout: 50e6, MemoryLimit: 32 << 20, Console: func(string, string) {}})
		if err != nil {
			if strings.Contains(err.Error(), "left behind") || strings.Contains(err.Error(), "crashed") {
				t.Fatal(err)
			}
			return
		}
		defer r.Close()
		judge(t, r, transfer(1, big.NewInt(1), nil))
	})
}
