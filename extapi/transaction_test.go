package extapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// The members of a request that is signed, to which tests add and take away.
var dynamicFee = map[string]any{
	"from": testAddress, "to": testRecipient, "gas": "0x5208", "value": "0x1", "nonce": "0x3",
	"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3b9aca00",
}

const someHash = "0x010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"

// with returns a request with members set, or taken away where nil.
func with(base, changes map[string]any) map[string]any {
	changed := make(map[string]any, len(base)+len(changes))
	for name, value := range base {
		changed[name] = value
	}
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

// inProcess serves an account to go-ethereum's client.
func inProcess(t testing.TB, account *Account) *rpc.Client {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("account", account); err != nil {
		t.Fatal(err)
	}
	client := rpc.DialInProc(server)
	t.Cleanup(func() {
		client.Close()
		server.Stop()
	})
	return client
}

// signed is an answer with both forms of the transaction decoded.
type signed struct {
	tx  *types.Transaction // of raw, with a sidecar
	out json.RawMessage    // the tx member
}

// sign sends a request, and checks that both forms of the answer agree.
func sign(t testing.TB, client *rpc.Client, params ...any) (signed, error) {
	t.Helper()
	var answer struct {
		Raw string          `json:"raw"`
		Tx  json.RawMessage `json:"tx"`
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // without one, the client writes for ten seconds at most
	defer cancel()
	if err := client.CallContext(ctx, &answer, "account_signTransaction", params...); err != nil {
		return signed{}, err
	}
	tx, inJSON := new(types.Transaction), new(types.Transaction)
	if err := tx.UnmarshalBinary(common.FromHex(answer.Raw)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer.Tx, inJSON); err != nil {
		t.Fatal(err)
	}
	if tx.Hash() != inJSON.Hash() {
		t.Fatalf("raw is transaction %v, tx is %v", tx.Hash(), inJSON.Hash())
	}
	sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil || sender != common.HexToAddress(testAddress) {
		t.Fatalf("the sender is %v (%v)", sender, err)
	}
	return signed{tx: tx, out: answer.Tx}, nil
}

// refusedCases are requests that are refused with a text.
type refusedCases map[string]struct {
	change map[string]any
	text   string // a part of the error
}

// check sends every request and looks for its text; nothing may be judged.
func (r refusedCases) check(t *testing.T, base map[string]any, change func(*Config)) {
	t.Helper()
	account, decider := newTestAccount(t, change)
	client := inProcess(t, account)
	for name, c := range r {
		_, err := sign(t, client, with(base, c.change))
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want %q", name, err, c.text)
		}
	}
	if asked := decider.asked(); asked != 0 {
		t.Errorf("%d requests were judged, want none", asked)
	}
}

func advanced(cfg *Config) { cfg.Advanced = true }

// authorize signs an authorization of the test account's.
func authorize(t testing.TB, chain uint64) map[string]any {
	t.Helper()
	key, err := crypto.HexToECDSA(testKeyHex)
	if err != nil {
		t.Fatal(err)
	}
	made, err := types.SignSetCode(key, types.SetCodeAuthorization{
		ChainID: *uint256.NewInt(chain), Address: common.HexToAddress(testRecipient), Nonce: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestSignSetCode(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	client := inProcess(t, account)
	entry := authorize(t, 1337)
	for name, list := range map[string][]any{
		"one":          {entry},
		"two":          {entry, authorize(t, 0)},
		"v as yParity": {with(entry, map[string]any{"v": entry["yParity"]})},
		"v from 27":    {with(entry, map[string]any{"v": map[any]string{"0x0": "0x1b", "0x1": "0x1c"}[entry["yParity"]]})},
	} {
		answer, err := sign(t, client, with(dynamicFee, map[string]any{"authorizationList": list, "type": "0x4", "input": "0x"}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := answer.tx.SetCodeAuthorizations()
		if answer.tx.Type() != types.SetCodeTxType || len(got) != len(list) {
			t.Fatalf("%s: type %d with %d authorizations", name, answer.tx.Type(), len(got))
		}
		if authority, err := got[0].Authority(); err != nil || authority != common.HexToAddress(testAddress) || got[0].Nonce != 4 {
			t.Errorf("%s: the authority is %v (%v)", name, authority, err)
		}
		if judged := decider.last(t).Transaction.SetCodeAuthorizations(); len(judged) != len(list) {
			t.Errorf("%s: rules saw %d authorizations", name, len(judged))
		}
	}
}

// TestDeviation14MembersAreStrict: Clef drops an authorization list and other
// members that it doesn't know, and signs something else.
func TestDeviation14MembersAreStrict(t *testing.T) {
	entry := authorize(t, 1337)
	list := func(changes map[string]any) map[string]any {
		return map[string]any{"authorizationList": []any{with(entry, changes)}}
	}
	many := make([]any, maxAuthorizations+1)
	for i := range many {
		many[i] = entry
	}
	refusedCases{
		"unknown":               {map[string]any{"foo": 1}, `unknown member "foo"`},
		"case":                  {map[string]any{"gasprice": "0x1"}, `unknown member "gasprice": it is spelled "gasPrice"`},
		"sidecar":               {map[string]any{"sidecar": nil, "blobSidecar": "0x"}, `unknown member "blobSidecar"`},
		"access list entry":     {map[string]any{"accessList": []any{map[string]any{"address": testRecipient, "storageKeys": []any{}, "x": 1}}}, `accessList[0]: unknown member "x"`},
		"empty list":            {map[string]any{"authorizationList": []any{}}, "authorizationList is empty"},
		"no list":               {map[string]any{"authorizationList": "0x"}, "reading authorizationList"},
		"long list":             {map[string]any{"authorizationList": many}, "more than 256 entries"},
		"entry is null":         {map[string]any{"authorizationList": []any{nil}}, "authorizationList[0]"},
		"entry without r":       {list(map[string]any{"r": nil}), "authorizationList[0]: missing required field 'r'"},
		"entry without yParity": {list(map[string]any{"yParity": nil, "v": "0x1b"}), "missing required field 'yParity'"},
		"entry with foo":        {list(map[string]any{"foo": 1}), `authorizationList[0]: unknown member "foo"`},
		"v differs":             {list(map[string]any{"v": "0x1d"}), "does not agree with yParity"},
		"s is high":             {list(map[string]any{"s": "0xffffffffffffffffffffffffffffffffbaaedce6af48a03bbfd25e8cd0364140"}), "authorizationList[0] has no valid signature"},
		"yParity 2":             {list(map[string]any{"yParity": "0x2"}), "authorizationList[0]"},
		"yParity 256":           {list(map[string]any{"yParity": "0x100"}), "authorizationList[0]"},
		"other chain":           {list(map[string]any{"chainId": "0x1"}), "authorizationList[0] is for chain 1"},
		"last nonce":            {list(map[string]any{"nonce": "0xffffffffffffffff"}), "too large"},
		"no recipient":          {with(list(nil), map[string]any{"to": json.RawMessage("null"), "input": "0x" + strings.Repeat("60", 50)}), "recipient must be set"},
		"with blobs":            {with(list(nil), map[string]any{"blobVersionedHashes": []any{someHash}}), "don't belong together"},
		"with whole blobs":      {with(list(nil), map[string]any{"blobs": []any{"0x" + strings.Repeat("00", 131072)}}), "don't belong together"},
		"with gasPrice":         {with(list(nil), map[string]any{"gasPrice": "0x1"}), "Both 'gasPrice' and 'maxFeePerGas'"},
		"without fee cap":       {with(list(nil), map[string]any{"maxFeePerGas": json.RawMessage("null")}), "maxFeePerGas is missing"},
		"type 2 with a list":    {with(list(nil), map[string]any{"type": "0x2"}), "type 0x2 does not agree"},
		"type 4 without":        {map[string]any{"type": "0x4"}, "type 0x4 does not agree"},
		"type 0":                {map[string]any{"type": "0x0"}, "type 0x0 does not agree"},
		"type is no quantity":   {map[string]any{"type": 2}, "reading type"},
		"type beyond 8 bits":    {map[string]any{"type": "0x102"}, "type 0x102 does not agree"},
	}.check(t, dynamicFee, nil)

	account, _ := newTestAccount(t, nil)
	client := inProcess(t, account)
	for _, text := range []string{
		`{"from":"%s","to":"%s","gas":"0x5208","gasPrice":"0x1","value":"0x1","value":"0x2","nonce":"0x0"}`,
		`{"from":"%s","to":"%s","gas":"0x5208","gasPrice":"0x1","value":"0x1","\u0076alue":"0x2","nonce":"0x0"}`,
	} {
		if _, err := sign(t, client, json.RawMessage(fmt.Sprintf(text, testAddress, testRecipient))); err == nil || !strings.Contains(err.Error(), `duplicate member "value"`) {
			t.Errorf("a duplicate: error %v", err)
		}
	}
}

// TestTypeAgrees: a type that says what the other members make is accepted.
func TestTypeAgrees(t *testing.T) {
	account, _ := newTestAccount(t, nil)
	client := inProcess(t, account)
	noFees := map[string]any{"maxFeePerGas": nil, "maxPriorityFeePerGas": nil}
	for kind, members := range []map[string]any{
		with(with(dynamicFee, noFees), map[string]any{"gasPrice": "0x1", "type": "0x0"}),
		with(with(dynamicFee, noFees), map[string]any{"gasPrice": "0x1", "type": "0x1", "accessList": []any{}}),
		with(dynamicFee, map[string]any{"type": "0x2"}),
		with(dynamicFee, map[string]any{"type": "0x3", "blobVersionedHashes": []any{someHash}, "maxFeePerBlobGas": "0x1"}),
	} {
		answer, err := sign(t, client, members)
		if err != nil || int(answer.tx.Type()) != kind {
			t.Errorf("type %d: %v", kind, err)
			continue
		}
		if answer.tx.ChainId().Int64() != 1337 || !answer.tx.Protected() {
			t.Errorf("type %d is for chain %v", kind, answer.tx.ChainId())
		}
	}
}

// TestDeviation15NeverMinedIsRefused: Clef signs what can never be mined.
func TestDeviation15NeverMinedIsRefused(t *testing.T) {
	code := "0x" + strings.Repeat("60", 50)
	blob := func(changes map[string]any) map[string]any {
		all := map[string]any{"blobVersionedHashes": []any{someHash}, "maxFeePerBlobGas": "0x1"}
		maps.Copy(all, changes) // nil included: it takes members of the request away
		return all
	}
	null := json.RawMessage("null")
	refusedCases{
		"no nonce":                {map[string]any{"nonce": nil}, `missing member "nonce"`},
		"no gas":                  {map[string]any{"gas": nil}, `missing member "gas"`},
		"null nonce":              {map[string]any{"nonce": null}, "SendTxArgs.nonce"},
		"gas 0":                   {map[string]any{"gas": "0x0"}, "gas is 0"},
		"last nonce":              {map[string]any{"nonce": "0xffffffffffffffff"}, "EIP-2681"},
		"tip above cap":           {map[string]any{"maxPriorityFeePerGas": "0x77359401"}, "is above maxFeePerGas"},
		"creation without fees":   {map[string]any{"to": nil, "input": code, "maxFeePerGas": nil, "maxPriorityFeePerGas": nil}, "validation failed: Neither 'gasPrice' nor 'maxFeePerGas' specified."},
		"creation with two fees":  {map[string]any{"to": nil, "input": code, "gasPrice": "0x1"}, "validation failed: Both 'gasPrice' and 'maxFeePerGas' specified."},
		"no hashes":               {blob(map[string]any{"blobVersionedHashes": []any{}}), "blobVersionedHashes is empty"},
		"hash version":            {blob(map[string]any{"blobVersionedHashes": []any{someHash, "0x02" + someHash[4:]}}), "blobVersionedHashes[1]"},
		"blobs with gasPrice":     {blob(map[string]any{"gasPrice": "0x1", "maxFeePerGas": null, "maxPriorityFeePerGas": null}), "gasPrice would be dropped from a blob transaction"},
		"blobs without cap":       {blob(map[string]any{"maxFeePerBlobGas": null}), "maxFeePerBlobGas is missing"},
		"blobs with cap 0":        {blob(map[string]any{"maxFeePerBlobGas": "0x0"}), "maxFeePerBlobGas is 0"},
		"blobs without recipient": {blob(map[string]any{"to": nil}), "transaction recipient must be set for blob transactions"},
		"too many blobs":          {blob(map[string]any{"blobVersionedHashes": []any{someHash, someHash, someHash, someHash, someHash, someHash, someHash, someHash, someHash, someHash}}), "10 blobs"},
		"cap without blobs":       {map[string]any{"maxFeePerBlobGas": "0x1"}, "maxFeePerBlobGas without blobs"},
		"version without blobs":   {blob(map[string]any{"blobVersion": 1}), "blobVersion without blobs"},
		"proofs without blobs":    {blob(map[string]any{"proofs": []any{}}), "proofs without blobs"},
		"commitments alone":       {blob(map[string]any{"commitments": []any{}}), "commitments without blobs"},
		"empty blobs":             {blob(map[string]any{"blobs": []any{}}), "blobs is empty"},
	}.check(t, dynamicFee, nil)
	refusedCases{
		"blobs without fee cap": {blob(map[string]any{"maxFeePerGas": nil, "maxPriorityFeePerGas": nil}), "maxFeePerGas is missing from a blob transaction"},
	}.check(t, dynamicFee, advanced)
}

// TestDeviation16NoFeeIsDropped: with --advanced Clef signs a type 2 transaction
// without the gasPrice that was given, and a legacy one without the tip.
func TestDeviation16NoFeeIsDropped(t *testing.T) {
	refusedCases{
		"gasPrice and cap": {map[string]any{"gasPrice": "0x1"}, "gasPrice would be dropped"},
		"gasPrice and tip": {map[string]any{"gasPrice": "0x1", "maxFeePerGas": nil}, "maxPriorityFeePerGas without maxFeePerGas would be dropped"},
		"tip alone":        {map[string]any{"maxFeePerGas": nil}, "maxPriorityFeePerGas without maxFeePerGas would be dropped"},
		"set code":         {map[string]any{"gasPrice": "0x1", "authorizationList": []any{authorize(t, 0)}}, "gasPrice would be dropped"},
	}.check(t, dynamicFee, advanced)
}

func TestHostileTransactions(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	refusedCases{
		"8 MiB of call data":  {map[string]any{"data": "0x" + strings.Repeat("00", 8<<20)}, "call data of 8388608 bytes is too large"},
		"8 MiB of input":      {map[string]any{"input": "0x" + strings.Repeat("00", 8<<20)}, "call data of 8388608 bytes is too large"},
		"data is not input":   {map[string]any{"data": "0x01", "input": "0x02"}, `ambiguous request: both "data" and "input" are set and are not identical`},
		"value of 257 bits":   {map[string]any{"value": "0x1" + strings.Repeat("0", 64)}, "hex number > 256 bits"},
		"value of 4 MiB":      {map[string]any{"value": "0x1" + strings.Repeat("0", 4<<20)}, "hex number > 256 bits"},
		"negative tip":        {map[string]any{"maxPriorityFeePerGas": "-0x1"}, "hex string without 0x prefix"},
		"gas of 65 bits":      {map[string]any{"gas": "0x10000000000000000"}, "hex number > 64 bits"},
		"chain of 257 bits":   {map[string]any{"chainId": "0x1" + strings.Repeat("0", 64)}, "hex number > 256 bits"},
		"chain 0":             {map[string]any{"chainId": "0x0"}, "requested chainid 0 does not match the configuration of the signer"},
		"checksum":            {map[string]any{"to": strings.ToLower(testRecipient)}, "validation failed: Invalid checksum on recipient address"},
		"deep access list":    {map[string]any{"accessList": json.RawMessage(deep)}, "invalid argument 0"},
		"null in access list": {map[string]any{"accessList": []any{nil}}, "missing required field 'address'"},
		"long member name":    {map[string]any{strings.Repeat("x", 1<<20): 1}, "…\": it would not be signed"},
		"blob is null":        {map[string]any{"blobs": []any{nil}}, "invalid argument 0"},
		"blobVersion 300":     {map[string]any{"blobVersion": 300}, "SendTxArgs.blobVersion"},
	}.check(t, dynamicFee, nil)

	account, decider := newTestAccount(t, nil)
	client := inProcess(t, account)
	for name, params := range map[string][]any{
		"null": {nil}, "array": {[]any{}}, "string": {"x"}, "number": {1}, "empty object": {map[string]any{}},
		"selector is a number": {dynamicFee, 1}, "selector is malformed": {dynamicFee, "transfer"},
	} {
		if _, err := sign(t, client, params...); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
	if asked := decider.asked(); asked != 0 {
		t.Errorf("%d requests were judged, want none", asked)
	}
}

func TestChainIDs(t *testing.T) {
	two := func(cfg *Config) { cfg.ChainIDs = []*big.Int{big.NewInt(1), big.NewInt(10), big.NewInt(1)} }
	refusedCases{
		"absent": {map[string]any{}, "chainId is missing: this signer signs for chains 1, 10"},
		"other":  {map[string]any{"chainId": "0x539"}, "requested chainid 1337 does not match the configuration of the signer"},
	}.check(t, dynamicFee, two)
	account, decider := newTestAccount(t, two)
	client := inProcess(t, account)
	for _, id := range []int64{1, 10} {
		answer, err := sign(t, client, with(dynamicFee, map[string]any{"chainId": fmt.Sprintf("0x%x", id)}))
		if err != nil || answer.tx.ChainId().Int64() != id || decider.last(t).ChainID.Int64() != id {
			t.Errorf("chain %d: %v", id, err)
		}
	}
	for name, ids := range map[string][]*big.Int{"none": nil, "nil": {nil}, "0": {new(big.Int)}, "negative": {big.NewInt(-1)}, "EIP-2294": {new(big.Int).Add(largestChainID, common.Big1)}} {
		if _, err := NewAccount(Config{Decider: new(captureRules), Signer: newKeySigner(t), Auditor: new(entries), ChainIDs: ids}); err == nil {
			t.Errorf("chain ids %s are accepted", name)
		}
	}
}

// TestRequestIsComplete: what rules see is the transaction that is signed.
func TestRequestIsComplete(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	client := inProcess(t, account)
	call := map[string]any{"input": "0xa9059cbb" + strings.Repeat("00", 31) + "01" + strings.Repeat("00", 31) + "02"}
	answer, err := sign(t, client, with(dynamicFee, call))
	if err != nil {
		t.Fatal(err)
	}
	req := decider.last(t)
	signer := types.LatestSignerForChainID(big.NewInt(1337))
	if req.Digest != signer.Hash(answer.tx) || signer.Hash(req.Transaction) != req.Digest {
		t.Error("the digest that was judged is not the one that was signed")
	}
	if req.Kind != rules.KindTransaction || req.Method != "account_signTransaction" || req.Account.Key != "test" || req.ChainID.Int64() != 1337 {
		t.Errorf("request %+v", req)
	}
	if len(req.ID) < 16 || req.Caller != (rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}) {
		t.Errorf("id %q, caller %+v", req.ID, req.Caller)
	}
	if len(req.Findings) != 1 || req.Findings[0].Typ != "Info" {
		t.Errorf("findings %v", req.Findings)
	}
	// The members in Clef's spelling, input moved to data.
	shown, err := json.Marshal(req.TransactionArgs)
	want := `{"from":"` + testAddress + `","to":"` + testRecipient + `","gas":"0x5208","gasPrice":null,"maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x3b9aca00","value":"0x1","nonce":"0x3","data":"` + call["input"].(string) + `"}`
	if err != nil || string(shown) != want {
		t.Errorf("rules see %s (%v)\nwant %s", shown, err, want)
	}
	if _, err := sign(t, client, dynamicFee); err != nil || decider.last(t).ID == req.ID {
		t.Errorf("two requests have the id %s (%v)", req.ID, err)
	}
}

// TestZeroArgumentsAreRefused: arguments that were not decoded from JSON.
func TestZeroArgumentsAreRefused(t *testing.T) {
	account, _ := newTestAccount(t, advanced)
	if _, err := account.SignTransaction(t.Context(), TransactionArgs{}, nil); err == nil {
		t.Error("zero arguments are signed")
	}
}
