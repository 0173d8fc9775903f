package extapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// entryOf is the decision about a request, as it is read from the log.
func entryOf(t testing.TB, req *rules.Request) audit.Entry {
	t.Helper()
	r := newRecord(req)
	r.whole(req)
	text, err := json.Marshal(r.decision(rules.Decision{Verdict: rules.Approve}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var entry audit.Entry
	if err := json.Unmarshal(text, &entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

// wantRebuilt fails unless the request comes out of its entry as it was.
func wantRebuilt(t testing.TB, req *rules.Request) {
	t.Helper()
	entry := entryOf(t, req)
	if entry.Whole.Omitted != "" {
		if size := max(len(req.Preimage), entry.DataBytes, len(appended(req))); size > audit.MaxWhole/2 {
			return
		}
		t.Fatalf("%s: left out: %s", req.Kind, entry.Whole.Omitted)
	}
	got, err := Rebuild(entry)
	if err != nil {
		t.Fatalf("%s: %v\n%+v", req.Kind, err, entry.Whole)
	}
	if is, want := asText(t, got), asText(t, req); is != want {
		t.Fatalf("rebuilt\n%s, want\n%s", is, want)
	}
	if is, want := factsOf(got), factsOf(req); !reflect.DeepEqual(is.Actions, want.Actions) || is.Kind != want.Kind ||
		!reflect.DeepEqual(is.Typed, want.Typed) || !reflect.DeepEqual(is.Text, want.Text) {
		t.Fatalf("facts %+v, want %+v", is, want)
	}
	if !reflect.DeepEqual(got.Call, req.Call) || !reflect.DeepEqual(got.TypedData, req.TypedData) {
		t.Fatalf("rebuilt %+v and %+v, want %+v and %+v", got.Call, got.TypedData, req.Call, req.TypedData)
	}
}

// factsOf are the facts of a request, without a difference between no data and
// empty data.
func factsOf(req *rules.Request) *facts.Facts {
	f := facts.Of(req, time.Unix(1, 0))
	for i := range f.Actions {
		if len(f.Actions[i].Data) == 0 {
			f.Actions[i].Data = nil
		}
	}
	return f
}

// appended is the JSON text of a request's typed data.
func appended(req *rules.Request) []byte {
	if req.TypedData == nil {
		return nil
	}
	return appendTypedData(nil, req.TypedData)
}

// asText is a request as text, whatever its members are in memory.
func asText(t testing.TB, req *rules.Request) string {
	t.Helper()
	copied := *req
	copied.Transaction, copied.Accounts = nil, nil
	text, err := json.MarshalIndent(copied, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if req.Transaction != nil {
		binary, err := req.Transaction.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, hexutil.Encode(binary)...)
	}
	return string(text)
}

// TestCapturedRequestsAreRebuilt: all that Clef was asked comes out of the log
// as it went in, whether validation warns of it or not.
func TestCapturedRequestsAreRebuilt(t *testing.T) {
	t.Parallel()
	kinds := make(map[rules.Kind]int)
	for _, advanced := range []bool{false, true} {
		account, decider := newTestAccount(t, func(cfg *Config) {
			cfg.Advanced = advanced
			cfg.ChainIDs = append(cfg.ChainIDs, big.NewInt(1))
		})
		client := inProcess(t, account)
		for _, c := range readCaptures(t) {
			var request struct {
				Method string
				Params []any
			}
			if json.Unmarshal([]byte(expand(string(c.Request))), &request) != nil || !strings.HasPrefix(request.Method, "account_") ||
				advanced && strings.Contains(string(c.Request), "zero bytes") { // blobs take long
				continue
			}
			asked := decider.asked()
			var result any
			_ = client.CallContext(t.Context(), &result, request.Method, request.Params...) // refused or not
			if decider.asked() == asked {
				continue
			}
			req := decider.last(t)
			kinds[req.Kind]++
			wantRebuiltOrNoKey(t, req)
		}
	}
	for kind := rules.KindList; kind <= rules.KindSafe; kind++ {
		if kinds[kind] == 0 {
			t.Errorf("no capture is a %s", kind)
		}
	}
}

// wantRebuiltOrNoKey is wantRebuilt, also for kinds that are rebuilt without more.
func wantRebuiltOrNoKey(t testing.TB, req *rules.Request) {
	t.Helper()
	if req.Kind.Signs() {
		wantRebuilt(t, req)
		return
	}
	got, err := Rebuild(newRecord(req).decision(rules.Decision{}, nil))
	if err != nil || asText(t, got) != asText(t, req) {
		t.Fatalf("rebuilt %+v, %v", got, err)
	}
}

// TestTransactionsAreRebuilt: of every type, with every member that may be
// absent, however it is spelled.
func TestTransactionsAreRebuilt(t *testing.T) {
	t.Parallel()
	account, decider := newTestAccount(t, func(cfg *Config) { cfg.Advanced = true })
	random := rand.New(rand.NewPCG(4, 5))
	made := make(map[uint8]int)
	for range 2000 {
		raw, err := json.Marshal(randomTransaction(random))
		if err != nil {
			t.Fatal(err)
		}
		var args TransactionArgs
		if err := json.Unmarshal(raw, &args); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if _, err := account.SignTransaction(t.Context(), args, nil); err != nil {
			continue // such as a tip above the cap
		}
		req := decider.last(t)
		req.Account.Tags = map[string]string{"purpose": "tést <1>"}
		made[req.Transaction.Type()]++
		wantRebuilt(t, req)
	}
	for kind := range uint8(types.SetCodeTxType + 1) {
		if made[kind] < 20 {
			t.Errorf("only %d of type %d", made[kind], kind)
		}
	}
}

// randomTransaction is a transaction object.
func randomTransaction(random *rand.Rand) map[string]any {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	number := func() string { return pick("0x0", "0x1", "0xffff", "0x1bc16d674ec80000") }
	word := func() string { return fmt.Sprintf("0x%064x", random.Uint64()) }
	tx := map[string]any{
		"from": pick(testAddress, strings.ToLower(testAddress)), "gas": "0x5208", "nonce": pick("0x0", "0x1234"), "value": number(),
		"to":   pick("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266"),
		"data": pick("0x", "0x12", "0xdeadbeef"+strings.Repeat("00", 32), fmt.Sprintf("0xa9059cbb%064x%064x", 1, 2), "0x"+strings.Repeat("60", 60)),
	}
	kind := random.IntN(types.SetCodeTxType + 1)
	if kind < types.DynamicFeeTxType {
		tx["gasPrice"] = number()
	} else {
		tx["maxFeePerGas"], tx["maxPriorityFeePerGas"] = "0xffff", pick("0x0", "0x1", "0xffff")
	}
	switch kind {
	case types.AccessListTxType:
		tx["accessList"] = []any{}
	case types.BlobTxType:
		tx["maxFeePerBlobGas"], tx["blobVersionedHashes"] = "0x7", []any{"0x01" + strings.Repeat("ab", 31)}
	case types.SetCodeTxType:
		key, _ := crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))
		signed, _ := types.SignSetCode(key, types.SetCodeAuthorization{Address: common.Address{9}, Nonce: 3})
		tx["authorizationList"] = []any{signed}
	}
	if kind > types.LegacyTxType && random.IntN(2) == 0 {
		tx["accessList"] = []any{map[string]any{"address": strings.ToLower(testAddress), "storageKeys": []any{word(), word()}}, map[string]any{"address": testAddress, "storageKeys": []any{}}}
	}
	if random.IntN(2) == 0 {
		tx["chainId"] = "0x539"
	}
	for _, name := range slices.Sorted(maps.Keys(tx)) {
		keep := name == "from" || name == "gas" || name == "nonce" || name == "chainId" || name == "maxFeePerGas" || name == "authorizationList"
		if !keep && random.IntN(8) == 0 {
			delete(tx, name)
		}
	}
	return tx
}

// TestTypedDataIsRebuilt: random documents, with numbers and texts of all kinds.
func TestTypedDataIsRebuilt(t *testing.T) {
	t.Parallel()
	account, decider := newFuzzAccount(t)
	random := rand.New(rand.NewPCG(8, 9))
	texts := []string{
		docOf(`"M":[{"name":"c","type":"M[][2]"}]`, `{"c":[[],[{"c":[[],[]]}]]}`),
		docOf(`"M":[{"name":"c","type":"string"}]`, `{"c":"\u0000\u007f\u202e \ud83d\ude00 \" \\ <é>"}`),
		docOf(`"M":[]`, `{}`),
	}
	for range 300 {
		texts = append(texts, string(document(t, newDocument(random), random.IntN(2) == 0)))
	}
	for _, text := range texts {
		var document TypedData
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		if _, err := account.SignTypedData(t.Context(), common.NewMixedcaseAddress(common.HexToAddress(testAddress)), document); err != nil {
			continue // such as another chain
		}
		wantRebuilt(t, decider.request)
		for _, c := range appended(decider.request) {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%q is not printable ASCII", appended(decider.request))
			}
		}
	}
}

// TestCallersAreRebuilt: what a caller over HTTP says of itself.
func TestCallersAreRebuilt(t *testing.T) {
	t.Parallel()
	req := &rules.Request{
		ID: "id", Kind: rules.KindText, Method: "account_signData", ContentType: accounts.MimetypeTextPlain, Principal: "anonymous",
		Account: rules.Account{Address: common.HexToAddress(testAddress), Vault: "v", Key: "k", Version: "1", Tags: map[string]string{"a": "b", "c": ""}},
		Caller:  rules.Caller{Transport: "http", Remote: "1.2.3.4:5", Local: "signer", UserAgent: "u/1", Origin: "https://o"},
	}
	describeMessage(req, []byte("15 of these"))
	wantRebuilt(t, req)
}

// TestOthersAreNotRebuilt: what is not exactly what was asked is nothing.
func TestOthersAreNotRebuilt(t *testing.T) {
	t.Parallel()
	account, decider := newTestAccount(t, nil)
	if _, err := sign(t, inProcess(t, account), dynamicFee); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(e *audit.Entry)
		want   error
	}{
		"the same":    {func(*audit.Entry) {}, nil},
		"excerpt":     {func(e *audit.Entry) { e.Whole = nil }, errExcerpt},
		"left out":    {func(e *audit.Entry) { e.Whole = audit.TooLarge(1 << 20) }, errOmitted},
		"other sum":   {func(e *audit.Entry) { e.Digest = common.Hash{1}.Hex() }, errOtherSum},
		"other chain": {func(e *audit.Entry) { e.ChainID = "1" }, errOtherSum},
		"other bytes": {func(e *audit.Entry) { e.Whole.Preimage = strings.Replace(e.Whole.Preimage, "8252", "8253", 1) }, errOtherSum},
		"cut":         {func(e *audit.Entry) { e.Whole.Preimage = e.Whole.Preimage[:20] }, errBroken},
		"empty":       {func(e *audit.Entry) { e.Whole.Preimage = "0x" }, errBroken},
		"none":        {func(e *audit.Entry) { *e.Whole = audit.Whole{} }, errBroken},
		"signed":      {func(e *audit.Entry) { e.Whole.Preimage = strings.TrimSuffix(e.Whole.Preimage, "c0") + "c0808080" }, errBroken},
		"other type":  {func(e *audit.Entry) { e.Whole.Preimage = "0x01" + e.Whole.Preimage[4:] }, errBroken},
		"other kind":  {func(e *audit.Entry) { e.Kind = "text" }, errBroken},
		"no kind":     {func(e *audit.Entry) { e.Kind = "transactions" }, errNoKind},
		"no call":     {func(e *audit.Entry) { e.Whole.Signature = "transfer(address,uint256)" }, errBroken},
		"no address":  {func(e *audit.Entry) { e.Whole.From = "0x12" }, errBroken},
		"other to":    {func(e *audit.Entry) { e.Whole.To = testAddress }, errBroken},
	} {
		entry := entryOf(t, decider.last(t))
		test.change(&entry)
		if req, err := Rebuild(entry); !errors.Is(err, test.want) || (req == nil) != (err != nil) {
			t.Errorf("%s: %+v, %v, want %v", name, req, err, test.want)
		}
	}
}

// TestSignaturesAreBounded: a log that was written by another may have longer ones
// than a caller can send.
func TestSignaturesAreBounded(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[int]error{100: nil, 150: errBroken} {
		signature := "f(" + strings.TrimSuffix(strings.Repeat("uint256,", arguments), ",") + ")"
		data := slices.Concat(crypto.Keccak256([]byte(signature))[:4], make([]byte, 32*arguments))
		req := new(rules.Request)
		if err := describeCall(req, &audit.Whole{Signature: signature}, data); !errors.Is(err, want) || (req.Call == nil) != (err != nil) {
			t.Errorf("%d bytes: %v", len(signature), err)
		}
	}
}

// TestWhatIsTooLargeIsLeftOut, and said so.
func TestWhatIsTooLargeIsLeftOut(t *testing.T) {
	t.Parallel()
	log := new(entries)
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Auditor, cfg.Advanced = log, true })
	client := inProcess(t, account)
	for _, test := range []struct {
		size    int
		omitted bool
	}{{100, false}, {31 << 10, false}, {33 << 10, true}, {500 << 10, true}} {
		call := with(dynamicFee, map[string]any{"data": "0x" + strings.Repeat("60", test.size)})
		if _, err := sign(t, client, call); err != nil {
			t.Fatal(err)
		}
		if whole := log.last(t, 2)[0].Whole; (whole.Omitted != "") != test.omitted || test.omitted && whole.Preimage != "" {
			t.Errorf("%d bytes: %.200q", test.size, whole.Omitted)
		}
	}
}

// TestExcerptsAlone: the whole request is not kept where that is not wanted.
func TestExcerptsAlone(t *testing.T) {
	t.Parallel()
	log := new(entries)
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Auditor, cfg.Excerpts = log, true })
	if _, err := sign(t, inProcess(t, account), dynamicFee); err != nil {
		t.Fatal(err)
	}
	for _, entry := range log.last(t, 2) {
		if entry.Whole != nil {
			t.Errorf("%s: %+v", entry.Event, entry.Whole)
		}
	}
}

// FuzzRebuild: nothing that a log may have panics, and what is rebuilt comes out
// again as it is.
func FuzzRebuild(f *testing.F) {
	account, decider := newTestAccount(f, func(cfg *Config) { cfg.ChainIDs = append(cfg.ChainIDs, big.NewInt(1)) })
	client := inProcess(f, account)
	for _, c := range readCaptures(f) {
		var request struct {
			Method string
			Params []any
		}
		if json.Unmarshal(c.Request, &request) != nil || !strings.HasPrefix(request.Method, "account_sign") {
			continue
		}
		asked := decider.asked()
		var result any
		_ = client.CallContext(f.Context(), &result, request.Method, request.Params...)
		if decider.asked() > asked {
			entry := entryOf(f, decider.last(f))
			text, err := json.Marshal(entry.Whole)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(entry.Kind, entry.ContentType, entry.Account, text)
		}
	}
	f.Fuzz(func(t *testing.T, kind, contentType, address string, text []byte) {
		entry := audit.Entry{Event: audit.EventDecision, Kind: kind, ContentType: contentType, Account: address, Whole: new(audit.Whole)}
		if json.Unmarshal(text, entry.Whole) != nil || len(text) > audit.MaxWhole || !utf8.ValidString(contentType) {
			return
		}
		req := &rules.Request{Kind: kindOf(kind), ContentType: contentType, Account: rules.Account{Address: common.HexToAddress(address)}}
		if !req.Kind.Signs() || describeAgain(req, entry.Whole) != nil {
			return
		}
		wantRebuilt(t, req)
	})
}
