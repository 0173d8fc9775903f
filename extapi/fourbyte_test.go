package extapi

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/ethereum/go-ethereum/signer/fourbyte"

	"github.com/kvclef/kvclef/rules/calldata"
)

// oracle is go-ethereum's own validation, one call at a time. Each call gets a
// copy of the arguments, and a selector of its own to learn.
func oracle(t testing.TB) func(selector *string, args apitypes.SendTxArgs) ([]apitypes.ValidationInfo, error) {
	t.Helper()
	database, err := fourbyte.New()
	if err != nil {
		t.Fatal(err)
	}
	return func(selector *string, args apitypes.SendTxArgs) ([]apitypes.ValidationInfo, error) {
		messages, err := database.ValidateTransaction(selector, &args)
		if err != nil {
			return nil, err
		}
		return messages.Messages, nil
	}
}

func newValidator(t testing.TB) *Validator {
	t.Helper()
	validator, err := NewValidator("")
	if err != nil {
		t.Fatal(err)
	}
	return validator
}

// callArgs is a call with data, or a creation if to is empty.
func callArgs(to, data string) apitypes.SendTxArgs {
	args := apitypes.SendTxArgs{GasPrice: (*hexutil.Big)(common.Big1), Gas: 21000}
	if to != "" {
		address := common.NewMixedcaseAddress(common.HexToAddress(to))
		args.To = &address
	}
	if data != "" {
		raw := hexutil.Bytes(common.FromHex(data))
		args.Data = &raw
	}
	return args
}

// sameFindings compares our findings with go-ethereum's.
func sameFindings(t *testing.T, validate func(*string, apitypes.SendTxArgs) ([]apitypes.ValidationInfo, error), v *Validator, selector *string, args apitypes.SendTxArgs) {
	t.Helper()
	want, wantErr := validate(selector, args)
	got, gotErr := v.Validate(selector, &args)
	if (wantErr == nil) != (gotErr == nil) || (wantErr != nil && wantErr.Error() != gotErr.Error()) {
		t.Fatalf("error %v, want %v", gotErr, wantErr)
	}
	if len(got) != len(want) {
		t.Fatalf("findings %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("finding %d is %q, want %q", i, got[i], want[i])
		}
	}
}

// TestValidateLikeFourByte compares findings with go-ethereum's over calls of
// many methods, whole and damaged.
func TestValidateLikeFourByte(t *testing.T) {
	if testing.Short() {
		t.Skip("compares a great many answers, one after the other")
	}
	validate, v := oracle(t), newValidator(t)
	word := func(n uint64) string {
		var w [32]byte
		binary.BigEndian.PutUint64(w[24:], n)
		return hex.EncodeToString(w[:])
	}
	transfer := "0xa9059cbb" + word(1) + word(2)
	selector := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		selector *string
		to, data string
	}{
		"plain":                      {nil, testRecipient, ""},
		"known":                      {nil, testRecipient, transfer},
		"known with its selector":    {selector("transfer(address,uint256)"), testRecipient, transfer},
		"uint is uint256":            {selector("transfer(address,uint)"), testRecipient, transfer},
		"another selector":           {selector("transferFrom(address,uint256)"), testRecipient, transfer},
		"unknown":                    {nil, testRecipient, "0xdeadbe0f" + word(1)},
		"unknown type":               {selector("transfer(addr,uint256)"), testRecipient, transfer},
		"no type":                    {selector("transfer(,)"), testRecipient, transfer},
		"unfinished array":           {selector("transfer(address,uint256[)"), testRecipient, transfer},
		"huge array":                 {selector("transfer(uint256[99999999999999999999])"), testRecipient, transfer},
		"tuple":                      {selector("f((uint256,bytes)[],string)"), testRecipient, transfer},
		"selector without data":      {selector("transfer(address,uint256)"), testRecipient, ""},
		"short":                      {nil, testRecipient, "0x0102"},
		"prefix only":                {nil, testRecipient, "0xa9059cbb"},
		"half a word":                {nil, testRecipient, "0xa9059cbb00"},
		"half a word, with selector": {selector("transfer(address,uint256)"), testRecipient, "0xa9059cbb00"},
		"stuffed":                    {nil, testRecipient, transfer + word(3)},
		"bytes, offset beyond":       {nil, testRecipient, "0x09c5eabe" + word(1<<40)},
		"bytes, length beyond":       {nil, testRecipient, "0x09c5eabe" + word(32) + word(1<<40)},
		"bytes":                      {nil, testRecipient, "0x09c5eabe" + word(32) + word(3) + "010203" + strings.Repeat("00", 29)},
		"multicall":                  {nil, testRecipient, "0xac9650d8" + word(32) + word(1) + word(32) + word(1) + "01" + strings.Repeat("00", 31)},
		"multicall, shared":          {nil, testRecipient, "0xac9650d8" + word(32) + word(2) + word(64) + word(64) + word(1) + "01" + strings.Repeat("00", 31)},
		"zero recipient":             {nil, "0x0000000000000000000000000000000000000000", transfer},
		"creation":                   {nil, "", strings.Repeat("60", 50)},
		"small creation":             {nil, "", "0x6000"},
		"empty creation":             {nil, "", ""},
		"creation with selector":     {selector("f()"), "", strings.Repeat("60", 50)},
	} {
		t.Run(name, func(t *testing.T) { sameFindings(t, validate, v, c.selector, callArgs(c.to, c.data)) })
	}
	t.Run("fees", func(t *testing.T) {
		for bits := range 8 {
			args := callArgs(testRecipient, "")
			args.GasPrice = nil
			for i, member := range []**hexutil.Big{&args.GasPrice, &args.MaxFeePerGas, &args.MaxPriorityFeePerGas} {
				if bits&(1<<i) != 0 {
					*member = (*hexutil.Big)(common.Big1)
				}
			}
			sameFindings(t, validate, v, nil, args)
		}
	})
	t.Run("random data for known methods", func(t *testing.T) {
		table, err := embedded()
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range 3000 {
			entry := table.ids[random.IntN(len(table.ids))]
			data := entry.id[:]
			for range random.IntN(12) {
				var w [32]byte // small numbers, so that many are good offsets
				w[31] = byte(random.IntN(9)) * 32
				data = append(data, w[:]...)
			}
			sameFindings(t, validate, v, nil, callArgs(testRecipient, hex.EncodeToString(data)))
		}
	})
}

// TestKnownMethods: a name is known if the table has it for its selector.
func TestKnownMethods(t *testing.T) {
	t.Parallel()
	for signature, want := range map[string]bool{
		"transfer(address,uint256)": true, "claimOfNobodyWhoIsKnown(address,uint256)": false, "": false,
		"many_msg_babbage(bytes1)": false, // which has the selector of transfer
	} {
		if got := KnownMethod(signature); got != want {
			t.Errorf("%q: %v", signature, got)
		}
	}
}

// TestSelectorTable compares the compact table with go-ethereum's, and tells
// what memory it takes.
func TestSelectorTable(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 selectors, one after the other")
	}
	database, err := fourbyte.New()
	if err != nil {
		t.Fatal(err)
	}
	table, err := compact(database)
	if err != nil {
		t.Fatal(err)
	}
	if size, _ := database.Size(); len(table.ids) != size || size < 200_000 {
		t.Fatalf("%d selectors, want %d", len(table.ids), size)
	}
	for i := 0; i < len(table.ids); i += 97 {
		id := table.ids[i].id
		want, err := database.Selector(id[:])
		if got, known := table.find(id); err != nil || !known || got != want {
			t.Fatalf("%x is %q, want %q", id, got, want)
		}
	}
	if _, known := table.find([4]byte{0xde, 0xad, 0xbe, 0x0f}); known {
		t.Error("an unknown selector was found")
	}
	for _, entry := range table.ids {
		signature := table.text[entry.start:entry.end]
		if _, err := calldata.Parse(signature); err != nil && strings.Contains(err.Error(), "nested") {
			t.Errorf("%s can't be decoded: %v", signature, err)
		}
	}
	t.Logf("compact: %d bytes; go-ethereum's map is %d MB of heap", len(table.text)+12*len(table.ids), heapOf(func() any {
		database, err := fourbyte.New()
		if err != nil {
			t.Fatal(err)
		}
		return database
	})>>20)
}

// heapOf measures what is left on the heap of what a function returns.
func heapOf(load func() any) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := load()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

func TestCustomSelectors(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "custom.json")
		if err := os.WriteFile(path, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
		return path
	}
	known := write(`{"0b9a50f1":"wrong(uint256)"}`)
	if _, err := NewValidator(known); err == nil {
		t.Error("an entry with another hash is accepted")
	}
	method, err := calldata.Parse("kvclefProbe(uint256)")
	if err != nil {
		t.Fatal(err)
	}
	path := write(`{"` + hex.EncodeToString(method.ID) + `":"kvclefProbe(uint256)"}`)
	v, err := NewValidator(path)
	if err != nil {
		t.Fatal(err)
	}
	args := callArgs(testRecipient, hex.EncodeToString(method.ID)+strings.Repeat("00", 31)+"05")
	findings, err := v.Validate(nil, &args)
	if err != nil || len(findings) != 1 || findings[0].Message != `Transaction invokes the following method: "kvclefProbe(uint256: 5)"` {
		t.Errorf("findings %v (%v)", findings, err)
	}
	for name, content := range map[string]string{
		"no JSON": `{`, "no object": `["f()"]`, "no string": `{"26121ff0":1}`, "0x": `{"0x26121f":"f()"}`, "short": `{"26121f":"f()"}`,
		"no form": `{"26121ff0":"f"}`, "bad type": `{"26121ff0":"f(foo)"}`, "duplicate": `{"26121ff0":"f()","26121ff0":"f()"}`, "long": `{"26121ff000":"f()"}`,
	} {
		if _, err := NewValidator(write(content)); err == nil || !strings.Contains(err.Error(), "custom.json") {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
	if _, err := NewValidator(filepath.Join(t.TempDir(), "absent.json")); err == nil {
		t.Error("a missing file that was asked for is no error")
	}
	t.Chdir(t.TempDir())
	if _, err := NewValidator(DefaultFourByteFile); err != nil {
		t.Errorf("a missing default file is an error: %v", err)
	}
}

// TestNamedSelectors: what decides names methods, by which call data is decoded if it fits.
func TestNamedSelectors(t *testing.T) {
	const word = "0000000000000000000000000000000000000000000000000000000000000005"
	named := map[[4]byte][]string{
		{0xa2, 0x58, 0x7a, 0xdc}: {"relayDeposit(address,uint256)"},
		{0xa9, 0x05, 0x9c, 0xbb}: {"many_msg_babbage(bytes1)"}, // which has the selector of transfer
	}
	v := newValidator(t)
	v.selectors.named = func(id [4]byte) []string { return named[id] }
	v.selectors.custom = map[[4]byte]string{{0xa9, 0x05, 0x9c, 0xbb}: "many_msg_babbage(bytes1)"}
	for name, tt := range map[string]struct{ data, want string }{
		"named":                        {"a2587adc" + word + word, `Transaction invokes the following method: "relayDeposit(address: 0x0000000000000000000000000000000000000005,uint256: 5)"`},
		"named, with other arguments":  {"a2587adc" + word, "could not be verified"},
		"named, with more behind":      {"a2587adc" + word + word + word, "could not be verified"},
		"named by nobody":              {"a2587add" + word + word, "could not be found"},
		"known, and another was named": {"a9059cbb" + word + word, `Transaction invokes the following method: "transfer(address: 0x0000000000000000000000000000000000000005,uint256: 5)"`},
		"the other one":                {"a9059cbb01" + strings.Repeat("00", 31), `Transaction invokes the following method: "many_msg_babbage(bytes1: [1])"`},
		"neither":                      {"a9059cbb" + word + word + word, "could not be verified"},
	} {
		args := callArgs(testRecipient, tt.data)
		findings, err := v.Validate(nil, &args)
		if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Message, tt.want) {
			t.Errorf("%s: %v (%v), want %s", name, findings, err, tt.want)
		}
	}
	v.selectors.custom = map[[4]byte]string{{0xa9, 0x05, 0x9c, 0xbb}: "custom"}
	if got, err := v.selectors.find([4]byte{0xa9, 0x05, 0x9c, 0xbb}); err != nil || !slices.Equal(got, []string{"custom", "many_msg_babbage(bytes1)", "transfer(address,uint256)"}) {
		t.Errorf("order %q (%v)", got, err)
	}
}

// TestDeviation13SelectorsAreNotLearnt shows that a caller's selector is used
// for its own request alone, by many callers at once. fourbyte itself ends the
// process here with "concurrent map writes".
func TestDeviation13SelectorsAreNotLearnt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "custom.json")
	if err := os.WriteFile(path, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := NewValidator(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 50 {
				signature := "kvclef" + string(rune('a'+worker)) + strings.Repeat("x", i) + "(uint256)"
				method, err := calldata.Parse(signature)
				if err != nil {
					t.Error(err)
					return
				}
				data := hex.EncodeToString(method.ID) + strings.Repeat("00", 32)
				args := callArgs(testRecipient, data)
				if findings, err := v.Validate(&signature, &args); err != nil || len(findings) != 1 || findings[0].Typ != apitypes.INFO {
					t.Errorf("with its selector: %v (%v)", findings, err)
				}
				args = callArgs(testRecipient, data)
				if findings, err := v.Validate(nil, &args); err != nil || len(findings) != 1 || findings[0].Typ != apitypes.WARN {
					t.Errorf("the selector was learnt: %v (%v)", findings, err)
				}
			}
		})
	}
	wg.Wait()
	if content, err := os.ReadFile(path); err != nil || string(content) != `{}` {
		t.Errorf("the custom file holds %s (%v)", content, err)
	}
}

// TestDeviation12SelectorForm: abi.ParseSelector panics at "transfer".
func TestDeviation12SelectorForm(t *testing.T) {
	v := newValidator(t)
	for _, selector := range []string{"transfer", "", "(", "f(", "f)", "f()x", "f(a b)", "1f()", "f(\x00)", "f" + strings.Repeat("(", 2000), strings.Repeat("f", maxSelector) + "()"} {
		args := callArgs(testRecipient, "0xa9059cbb")
		if _, err := v.Validate(&selector, &args); err == nil || !strings.HasPrefix(err.Error(), "methodSelector ") {
			t.Errorf("selector %.20q: error %v", selector, err)
		}
	}
}

// TestDeviation17NumbersBeyond256Bits: apitypes panics above 256 bits and wraps
// negative values. JSON brings neither; a caller in Go could.
func TestDeviation17NumbersBeyond256Bits(t *testing.T) {
	v := newValidator(t)
	large := new(hexutil.Big)
	large.ToInt().Lsh(common.Big1, 256)
	negative := new(hexutil.Big)
	negative.ToInt().SetInt64(-1)
	for _, number := range []*hexutil.Big{large, negative} {
		for i := range 6 {
			args := callArgs(testRecipient, "")
			args.BlobHashes = []common.Hash{{1}}
			if i == 0 {
				args.Value = *number
			} else {
				*[]**hexutil.Big{&args.GasPrice, &args.MaxFeePerGas, &args.MaxPriorityFeePerGas, &args.BlobFeeCap, &args.ChainID}[i-1] = number
			}
			if _, err := v.Validate(nil, &args); err == nil || !strings.Contains(err.Error(), "does not fit 256 bits") {
				t.Errorf("member %d, %v: error %v", i, number, err)
			}
		}
	}
}

// TestCallDataBombs: a few words that decode to gigabytes are refused before
// they are decoded. The decoder of go-ethereum ends the process at the first.
func TestCallDataBombs(t *testing.T) {
	v := newValidator(t)
	word := func(n int) string {
		return hex.EncodeToString(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(n)))
	}
	// n offsets at every level, all to the same next level.
	nested := func(levels, n int) string {
		data := word(32)
		for range levels - 1 {
			data += word(n) + strings.Repeat(word(32*n), n)
		}
		return data + word(n) + strings.Repeat(word(1), n)
	}
	for name, c := range map[string]struct{ selector, data string }{
		"absurd fixed array":       {"f(uint256[576460752303423489])", strings.Repeat(word(1), 4)},
		"absurd inner array":       {"f(uint256[576460752303423489][1])", strings.Repeat(word(1), 4)},
		"absurd array in a tuple":  {"f((bytes,uint256[576460752303423489]))", word(32) + word(1<<40) + word(1)},
		"product of fixed arrays":  {"f(uint8[1000][1000][1000])", strings.Repeat(word(1), 1000)},
		"slices of fixed arrays":   {"f(uint256[1000][])", word(32) + word(4000) + strings.Repeat(word(1), 4000)},
		"nested slices, shared":    {"f(uint256[][][][])", nested(4, 200)},
		"bytes, shared":            {"f(bytes[])", word(32) + word(2000) + strings.Repeat(word(32*2000), 2000) + word(32000) + strings.Repeat(word(0), 1000)},
		"empty arrays without end": {"f(uint256[0][1000000000])", word(1)},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := calldata.Parse(c.selector)
			if err != nil {
				t.Fatal(err)
			}
			args := callArgs(testRecipient, hex.EncodeToString(method.ID)+c.data)
			findings, err := v.Validate(&c.selector, &args)
			if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Message, "far more than the call data") {
				t.Errorf("findings %.300v (%v)", findings, err)
			}
		})
	}
}

// TestDeepTypesAreNotDecoded: hundreds of levels of arrays and tuples take
// go-ethereum's decoder many minutes of a megabyte, and make types that stay.
func TestDeepTypesAreNotDecoded(t *testing.T) {
	v := newValidator(t)
	levels := func(levels int) map[string]string {
		return map[string]string{
			"fixed arrays": "f(uint8" + strings.Repeat("[1]", levels-2) + "[])",
			"tuples":       "f(" + strings.Repeat("(", levels-2) + "uint8" + strings.Repeat(")", levels-2) + "[])",
			"both":         "f(" + strings.Repeat("(", (levels-1)/2) + "uint8" + strings.Repeat(")[]", (levels-1)/2) + ")",
			"not first":    "f(bool,uint8" + strings.Repeat("[1]", levels-2) + "[],bool)",
		}
	}
	warned := func(signature, text string) bool {
		data := make([]byte, 4+1<<20-32)
		copy(data, crypto.Keccak256([]byte(signature))[:4])
		var found apitypes.ValidationMessages
		v.findInCallData("", &signature, data, &found)
		return len(found.Messages) == 1 && found.Messages[0].Typ == apitypes.WARN && strings.Contains(found.Messages[0].Message, text)
	}
	for _, deep := range []int{calldata.MaxNesting + 2, 300} {
		for name, signature := range levels(deep) {
			if !warned(signature, "types are nested") {
				t.Errorf("%s, %d levels: not refused for their depth", name, deep)
			}
			if _, err := calldata.Parse(signature); err == nil {
				t.Errorf("%s, %d levels: types were made", name, deep)
			}
		}
	}
	for name, signature := range levels(calldata.MaxNesting) {
		if warned(signature, "types are nested") {
			t.Errorf("%s: %d levels are refused", name, calldata.MaxNesting)
		}
	}
}

// FuzzCallData compares findings with go-ethereum's for a caller's selectors,
// and looks for panics.
func FuzzCallData(f *testing.F) {
	known, validate := newValidator(f).selectors, oracle(f)
	f.Add("transfer(address,uint256)", common.FromHex("0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb922660000000000000000000000000000000000000000000000000000000000000001"))
	f.Add("f(bytes[],(string,uint8[2])[])", []byte("12345678"))
	f.Add("f(uint256[576460752303423489])", make([]byte, 128))
	f.Add("", []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, selector string, data []byte) {
		if method, err := parseIfFormed(selector); err == nil && len(data) >= 4 && len(selector)%2 == 0 {
			copy(data, method)
		}
		args := callArgs(testRecipient, hex.EncodeToString(data))
		v := &Validator{selectors: known} // its bound of signatures would soon be used up
		findings, err := v.Validate(&selector, &args)
		if err != nil {
			return
		}
		if raw, _ := json.Marshal(findings); strings.Contains(string(raw), "far more than the call data") || strings.Contains(string(raw), "can't be used") || strings.Contains(string(raw), "types are nested") {
			return // go-ethereum would not survive it
		}
		sameFindings(t, validate, v, &selector, args)
	})
}

// parseIfFormed returns the id of a selector.
func parseIfFormed(selector string) (id []byte, err error) {
	if err := checkSelectorForm(&selector); err != nil {
		return nil, err
	}
	method, err := calldata.Parse(selector)
	if err != nil {
		return nil, err
	}
	return method.ID, nil
}
