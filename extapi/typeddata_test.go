package extapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// docOf returns a document with the types given as JSON members, for messages
// of type M.
func docOf(types, message string) string {
	return `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],` + types + `},"primaryType":"M","domain":{"name":"x"},"message":` + message + `}`
}

// oneField returns a document whose message has one member of a type.
func oneField(kind, value string) string {
	return docOf(`"M":[{"name":"a","type":"`+kind+`"}]`, `{"a":`+value+`}`)
}

// encodeError returns the error of decoding or encoding a document.
func encodeError(text string) error {
	var decoded TypedData
	if err := decoded.UnmarshalJSON([]byte(text)); err != nil {
		return err
	}
	_, err := encodeTypedData(&decoded)
	return err
}

func TestTypedDataAccepts(t *testing.T) {
	for _, test := range []struct{ kind, value, shown string }{
		{"int8", `-128`, `"-128 (-0x80)"`},
		{"int8", `"127"`, `"127 (0x7f)"`},
		{"uint8", `255`, `"255 (0xff)"`},
		{"uint256", `9007199254740993`, `"9007199254740993 (0x20000000000001)"`},
		{"uint256", `"0XfF"`, `"255 (0xff)"`},
		{"uint256", `"007"`, `"7 (0x7)"`},
		{"int256", `"-1"`, `"-1 (-0x1)"`},
		{"uint", `1`, `"1 (0x1)"`},
		{"int", `-1`, `"-1 (-0x1)"`},
		{"bytes", `"0x"`, `"0x"`},
		{"bytes1", `"0xff"`, `"0xff"`},
		{"bool", `true`, `"true"`},
		{"string", `"𝄞 \ud834\udd1e \\ud800"`, `"𝄞 𝄞 \\ud800"`},
		{"address", `"f39fd6e51aad88f6f4ce6ab8827279cfffb92266"`, `"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"`},
		{"uint256[]", `[]`, `null`},
		{"bytes32[]", `["0x` + strings.Repeat("11", 32) + `"]`, `"[0x` + strings.Repeat("11", 32) + `]"`},
		{"bytes2[][]", `[["0x0102","0x0304"],[]]`, `"[[0x0102 0x0304] []]"`},
		{"bool[2]", `[true,false]`, `[{"name":"0","value":"true","type":"bool"},{"name":"1","value":"false","type":"bool"}]`},
		{"uint8[2][1]", `[[1,2]]`, `[{"name":"0","value":[{"name":"0","value":"1 (0x1)","type":"uint8"},{"name":"1","value":"2 (0x2)","type":"uint8"}],"type":"uint8[2]"}]`},
	} {
		t.Run(test.kind+" "+test.value, func(t *testing.T) {
			encoded := encodeText(t, []byte(oneField(test.kind, test.value)))
			wantMessages(t, &rules.Request{Messages: encoded.messages},
				`[{"name":"EIP712Domain","value":[{"name":"name","value":"x","type":"string"}],"type":"domain"},`+
					`{"name":"M","value":[{"name":"a","value":`+test.shown+`,"type":"`+test.kind+`"}],"type":"primary type"}]`)
			theirs, preimage, err := apitypes.TypedDataAndHash(*encoded.document)
			if err != nil || common.BytesToHash(theirs) != encoded.digest || preimage != string(encoded.preimage) {
				t.Fatalf("apitypes: %x, %v; ours: %v", theirs, err, encoded.digest)
			}
		})
	}
}

func TestTypedDataRefusesValues(t *testing.T) {
	for _, test := range []struct{ kind, value, want string }{
		{"uint256", `1.5`, "invalid float value 1.5 for type uint256"},
		{"uint256", `1.0`, "invalid float value 1.0 for type uint256"},
		{"uint256", `1e3`, "invalid float value 1e3 for type uint256"},
		{"uint256", `1e999999999`, "invalid float value 1e999999999 for type uint256"},
		{"uint256", `true`, "invalid integer value true/bool for type uint256"},
		{"uint256", `null`, "invalid integer value <nil>/<nil> for type uint256"},
		{"uint256", `""`, `invalid hex or decimal integer ""`},
		{"uint256", `"0x"`, `invalid hex or decimal integer "0x"`},
		{"uint256", `"+1"`, `invalid hex or decimal integer "+1"`},
		{"uint256", `" 1"`, `invalid hex or decimal integer " 1"`},
		{"uint256", `"0x-1"`, `invalid hex or decimal integer "0x-1"`},
		{"uint256", `"1_0"`, `invalid hex or decimal integer "1_0"`},
		{"uint256", `"0x1` + strings.Repeat("0", 64) + `"`, "integer larger than 'uint256'"},
		{"uint256", strings.Repeat("9", 500_000), "integer larger than 'uint256'"},
		{"uint8", `256`, "integer larger than 'uint8'"},
		{"uint8", `-1`, "invalid negative value for unsigned type uint8"},
		{"int8", `128`, "integer larger than 'int8'"},
		{"int8", `-129`, "integer larger than 'int8'"},
		{"bytes4", `"0x010203"`, "provided data '0x010203' doesn't match type 'bytes4'"},
		{"bytes4", `"0x0102030405"`, "provided data '0x0102030405' doesn't match type 'bytes4'"},
		{"bytes", `"0x0"`, "provided data '0x0' doesn't match type 'bytes'"},
		{"bytes", `[1,2]`, "provided data '[1 2]' doesn't match type 'bytes'"},
		{"bool", `1`, "could not format value 1 as bool"},
		{"bool", `null`, "could not format value <nil> as bool"},
		{"string", `1`, "provided data '1' doesn't match type 'string'"},
		{"address", `"0x12"`, "provided data '0x12' doesn't match type 'address'"},
		{"address", `"0x` + strings.Repeat("12", 19) + `1"`, `provided data '0x` + strings.Repeat("12", 19) + `1' doesn't match type 'address'`},
		{"address", `"0x` + strings.Repeat("12", 20) + `1"`, `provided data '0x` + strings.Repeat("12", 20) + `1' doesn't match type 'address'`},
		{"address", `"0x` + strings.Repeat("zz", 20) + `"`, `provided data '0x` + strings.Repeat("zz", 20) + `' doesn't match type 'address'`},
		{"address", `12`, "could not format value 12 as address"},
		{"uint8[2]", `[1]`, "array of 1 elements doesn't match type 'uint8[2]'"},
		{"uint8[]", `"0x01"`, "provided data '0x01' doesn't match type 'uint8[]'"},
		{"uint8[]", `[[1]]`, "invalid integer value [1]/[]interface {} for type uint8"},
		{"uint8[][]", `[1]`, "provided data '1' doesn't match type 'uint8[]'"},
		{"uint8[2][3]", `[[1,2,3],[1,2,3]]`, "array of 2 elements doesn't match type 'uint8[2][3]'"},
		{"string[]", `[null]`, "provided data '<nil>' doesn't match type 'string'"},
		{"uint8[]", `null`, "provided data '<nil>' doesn't match type 'uint8[]'"},
		{"string", `"\ud800"`, `typed data holds half a surrogate pair (\ud800)`},
		{"string", `"\uDC00\ud800"`, `typed data holds half a surrogate pair (\udc00)`},
		{"string", `"\udc00\udc00"`, `typed data holds half a surrogate pair (\udc00)`},
		{"string", `"\udfff"`, `typed data holds half a surrogate pair (\udfff)`},
		{"string", `"\ud834\ue000"`, `typed data holds half a surrogate pair (\ud834)`},
		{"string", `"\ud834\u0041"`, `typed data holds half a surrogate pair (\ud834)`},
		{"string", "\"\xff\"", "typed data is not valid UTF-8"},
	} {
		t.Run(test.kind+" "+clip(test.value), func(t *testing.T) {
			wantError(t, encodeError(oneField(test.kind, test.value)), test.want)
		})
	}
}

func TestTypedDataRefusesTypes(t *testing.T) {
	for _, test := range []struct{ types, want string }{
		{`"M":[{"name":"a","type":"uint7"}]`, `unknown primitive type "uint7"`},
		{`"M":[{"name":"a","type":"uint0256"}]`, `unknown primitive type "uint0256"`},
		{`"M":[{"name":"a","type":"uint0"}]`, `unknown primitive type "uint0"`},
		{`"M":[{"name":"a","type":"uint264"}]`, `unknown primitive type "uint264"`},
		{`"M":[{"name":"a","type":"int264"}]`, `unknown primitive type "int264"`},
		{`"M":[{"name":"a","type":"bytes33"}]`, `unknown primitive type "bytes33"`},
		{`"M":[{"name":"a","type":"bytes0"}]`, `unknown primitive type "bytes0"`},
		{`"M":[{"name":"a","type":"uint8[0]"}]`, `unknown reference type "uint8[0]"`},
		{`"M":[{"name":"a","type":"uint8[-1]"}]`, `unknown reference type "uint8[-1]"`},
		{`"M":[{"name":"a","type":"uint8[01]"}]`, `unknown reference type "uint8[01]"`},
		{`"M":[{"name":"a","type":"uint8["}]`, `unknown reference type "uint8["`},
		{`"M":[{"name":"a","type":"uint8[]x"}]`, `unknown reference type "uint8[]x"`},
		{`"M":[{"name":"a","type":"uint8 "}]`, `unknown reference type "uint8 "`},
		{`"M":[{"name":"a","type":"Q"}]`, `reference type "Q" is undefined`},
		{`"M":[{"name":"a","type":"Q[]"}]`, `reference type "Q[]" is undefined`},
		{`"M":[{"name":"a","type":"M"}]`, `type "M" cannot reference itself`},
		{`"M":[{"name":"a","type":"M[2]"}]`, `type "M" cannot reference itself`},
		{`"M":[{"name":"a","type":"A"}],"A":[{"name":"b","type":"B"}],"B":[{"name":"a","type":"A"}]`, `type "A" cannot reference itself`},
		{`"M":[{"name":"a","type":""}]`, `type "M":0: empty Type`},
		{`"M":[{"name":"","type":"bool"}]`, `type "M":0: empty Name`},
		{`"M":[{"name":"a,uint8 b","type":"bool"}]`, `type "M": member name "a,uint8 b" is not an identifier`},
		{`"M":[{"name":"a","type":"bool"},{"name":"a","type":"bool"}]`, `type "M": member "a" is defined twice`},
		{`"M":[],"":[]`, `empty type key`},
		{`"M":[],"P(address to)Q":[]`, `type name "P(address to)Q" is not an identifier`},
		{`"M":[],"M[2]":[]`, `type name "M[2]" is not an identifier`},
		{`"M":[],"uint256":[]`, `type name "uint256" is that of a primitive type`},
		{`"M":[],"uint7":[]`, `type name "uint7" is that of a primitive type`},
		{`"M":[],"m` + strings.Repeat("m", maxNameBytes) + `":[]`, `type name "` + strings.Repeat("m", 64) + `…" is not an identifier`},
	} {
		t.Run(clip(test.types), func(t *testing.T) {
			wantError(t, encodeError(docOf(test.types, `{}`)), test.want)
		})
	}
}

func TestTypedDataRefusesDocuments(t *testing.T) {
	for _, test := range []struct{ document, want string }{
		{`null`, "domain is undefined"},
		{`{"domain":{"name":""}}`, "domain is undefined"},
		{`"{}"`, "json: cannot unmarshal string into Go value of type apitypes.TypedData"},
		{`[]`, "json: cannot unmarshal array into Go value of type apitypes.TypedData"},
		{`{"Types":{}}`, `typed data has an unknown member "Types": remove it`},
		{`{"types":{},"types":{}}`, `member "types" occurs twice`},
		{`{"types":[]}`, "json: cannot unmarshal array into typed data member types of type object"},
		{`{"types":{"M":null}}`, "json: cannot unmarshal null into typed data member types.M of type array"},
		{`{"types":{"M":[1]}}`, "json: cannot unmarshal number into typed data member types.M.0 of type object"},
		{`{"types":{"M":[{"name":"a","type":"bool","Type":"uint8"}]}}`, `types.M.0 has an unknown member "Type": remove it`},
		{`{"primaryType":1}`, "json: cannot unmarshal number into typed data member primaryType of type string"},
		{`{"message":[]}`, "json: cannot unmarshal array into typed data member message of type object"},
		{`{"domain":{"name":1}}`, "json: cannot unmarshal number into typed data member domain.name of type string"},
		{`{"domain":{"chainid":1}}`, `domain has an unknown member "chainid": remove it`},
		{`{"domain":{"chainId":1.5}}`, "domain.chainId: invalid float value 1.5 for type uint256"},
		{`{"domain":{"chainId":-1}}`, "domain.chainId: invalid negative value for unsigned type uint256"},
		{`{"types":{"EIP712Domain":[]},"domain":{"chainId":1}}`, "there is extra data provided in the message (0 < 1)"},
		{`{"types":{"EIP712Domain":[{"name":"name","type":"string"}]},"domain":{"name":"x"},"primaryType":"Nope"}`, `type "Nope" is not defined in types`},
		{`{"types":{"EIP712Domain":[{"name":"chainId","type":"string"}]},"domain":{"chainId":1}}`, "provided data '1' doesn't match type 'string'"},
		{
			`{"types":{"EIP712Domain":[{"name":"name","type":"string"}]},"domain":{"name":"x"},"primaryType":"EIP712Domain","message":{"name":"x"}}`,
			"primaryType EIP712Domain is not signed: wallets disagree on its digest",
		},
		{`{} {}`, "data after the typed data: send one JSON object"},
		{`{"a":1`, "unexpected end of JSON input"},
		{docOf(`"M":[{"name":"a","type":"bool"}]`, `{"a":true,"a":false}`), `member "a" occurs twice`},
		{docOf(`"M":[{"name":"a","type":"bool"}]`, `{"A":true}`), "could not format value <nil> as bool"},
	} {
		t.Run(clip(test.document), func(t *testing.T) {
			wantError(t, encodeError(test.document), test.want)
		})
	}
}

// A domain member may be empty, which go-ethereum takes for absent; one that
// the domain's type doesn't name is left out, as in Clef.
func TestTypedDataEmptyDomainMembers(t *testing.T) {
	const body = `"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"}],"M":[]},"primaryType":"M","message":{}`
	encoded := encodeText(t, []byte(`{`+body+`,"domain":{"name":"","version":"1","salt":"","chainId":null}}`))
	typeHash := crypto.Keccak256([]byte("EIP712Domain(string name,string version)"))
	separator := crypto.Keccak256(typeHash, crypto.Keccak256(nil), crypto.Keccak256([]byte("1")))
	want := crypto.Keccak256Hash([]byte{0x19, 0x01}, separator, crypto.Keccak256(crypto.Keccak256([]byte("M()"))))
	if encoded.digest != want {
		t.Fatalf("digest %v, want %v", encoded.digest, want)
	}
}

// A type may contain itself through a dynamic array.
func TestTypedDataRecursiveType(t *testing.T) {
	encoded := encodeText(t, []byte(docOf(`"M":[{"name":"id","type":"uint8"},{"name":"children","type":"M[]"}]`,
		`{"id":1,"children":[{"id":2,"children":[]},{"id":3,"children":[{"id":4,"children":[]}]}]}`)))
	typeHash := crypto.Keccak256([]byte("M(uint8 id,M[] children)"))
	node := func(id byte, children ...[]byte) []byte {
		return crypto.Keccak256(typeHash, common.LeftPadBytes([]byte{id}, 32), crypto.Keccak256(children...))
	}
	domain := crypto.Keccak256(crypto.Keccak256([]byte("EIP712Domain(string name)")), crypto.Keccak256([]byte("x")))
	want := crypto.Keccak256Hash([]byte{0x19, 0x01}, domain, node(1, node(2), node(3, node(4))))
	if encoded.digest != want {
		t.Fatalf("digest %v, want %v", encoded.digest, want)
	}
}

// Names beyond the identifiers of EIP-712 occur in use.
func TestTypedDataNamesInUse(t *testing.T) {
	text := strings.ReplaceAll(docOf(`"M":[{"name":"hyperliquidChain","type":"string"},{"name":"@type","type":"uint64"}]`,
		`{"hyperliquidChain":"Mainnet","@type":1}`), `"M"`, `"HyperliquidTransaction:UsdSend"`)
	encoded := encodeText(t, []byte(text))
	theirs, _, err := apitypes.TypedDataAndHash(*encoded.document)
	if err != nil || common.BytesToHash(theirs) != encoded.digest {
		t.Fatalf("apitypes: %x, %v; ours: %v", theirs, err, encoded.digest)
	}
}

// Hostile documents are refused before they cost anything.
func TestTypedDataLimits(t *testing.T) {
	manyTypes := make([]string, 2000)
	for i := range manyTypes {
		manyTypes[i] = fmt.Sprintf(`"T%d":[{"name":"a","type":"T%d"}]`, i, i+1)
	}
	manyFields := make([]string, maxTypedDataFields+1)
	for i := range manyFields {
		manyFields[i] = `{"name":"f` + strconv.Itoa(i) + `","type":"bool"}`
	}
	longNames := make([]string, maxTypedDataTypes-2)
	for i := range longNames {
		longNames[i] = fmt.Sprintf(`"L%d":[{"name":%q,"type":"bool"},{"name":%q,"type":"bool"},{"name":%q,"type":"bool"}]`, i,
			strings.Repeat("a", 250), strings.Repeat("b", 250), strings.Repeat("c", 250))
	}
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for name, test := range map[string]struct{ document, want string }{
		"types":      {docOf(strings.Join(manyTypes, ","), `{}`), "typed data has 2001 types: at most 128"},
		"members":    {docOf(`"M":[`+strings.Join(manyFields, ",")+`]`, `{}`), `type "M" has 129 members: at most 128`},
		"names":      {docOf(strings.Join(longNames, ","), `{}`), "the types of the typed data take 96428 bytes: at most 65536"},
		"depth":      {oneField("uint8[]", deep), "typed data is nested deeper than 64 levels"},
		"objects":    {oneField("uint8[]", strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000)), "typed data is nested deeper than 64 levels"},
		"values":     {oneField("uint8[]", "["+strings.Repeat("1,", 1<<17)+"1]"), "typed data has more than 16384 values"},
		"bytes":      {oneField("string", `"`+strings.Repeat("x", maxTypedDataBytes)+`"`), "typed data of 1048730 bytes is too large: at most 1048576"},
		"dimensions": {oneField("uint8"+strings.Repeat("[]", 65), "[]"), `type "uint8` + strings.Repeat("[]", 29) + `[…" has more than 64 dimensions`},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, encodeError(test.document), test.want)
		})
	}
}

// The largest chain of types that the limits allow is still cheap.
func TestTypedDataLongestTypeChain(t *testing.T) {
	chain := []string{`"M":[{"name":"a","type":"T0"}]`}
	message := `{"a":` + strings.Repeat(`{"a":`, 50) + `true` + strings.Repeat("}", 50) + "}"
	for i := range 50 {
		next := "T" + strconv.Itoa(i+1)
		if i == 49 {
			next = "bool"
		}
		chain = append(chain, fmt.Sprintf(`"T%d":[{"name":"a","type":%q}]`, i, next))
	}
	encoded := encodeText(t, []byte(docOf(strings.Join(chain, ","), message)))
	theirs, _, err := apitypes.TypedDataAndHash(*encoded.document)
	if err != nil || common.BytesToHash(theirs) != encoded.digest {
		t.Fatalf("apitypes: %x, %v; ours: %v", theirs, err, encoded.digest)
	}
}

// The request that rules see names kind, chain, preimage and the document.
func TestSignTypedDataRequest(t *testing.T) {
	server := newDataServer(t, 1)
	params := dataCaptures(t, "account_signTypedData")["typed-mail"]
	result, err := server.call("account_signTypedData", string(params.Request.Params[0]), string(params.Request.Params[1]))
	if err != nil || string(result) != string(params.Response.Result) {
		t.Fatalf("got %s, %v; Clef: %s", result, err, params.Response.Result)
	}
	req := server.rules.last(t)
	if req.Kind != rules.KindTypedData || req.ContentType != "data/typed" || req.ChainID.Int64() != 1 || req.TypedData.PrimaryType != "Mail" ||
		req.Digest != common.HexToHash("0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2") || crypto.Keccak256Hash(req.Preimage) != req.Digest {
		t.Fatalf("request %+v", req)
	}
	wantMessages(t, req, `[{"name":"EIP712Domain","value":[{"name":"name","value":"Ether Mail","type":"string"},{"name":"version","value":"1","type":"string"},`+
		`{"name":"chainId","value":"1 (0x1)","type":"uint256"},{"name":"verifyingContract","value":"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC","type":"address"}],"type":"domain"},`+
		`{"name":"Mail","value":[{"name":"from","value":[{"name":"name","value":"Cow","type":"string"},{"name":"wallet","value":"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826","type":"address"}],"type":"Person"},`+
		`{"name":"to","value":[{"name":"name","value":"Bob","type":"string"},{"name":"wallet","value":"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB","type":"address"}],"type":"Person"},`+
		`{"name":"contents","value":"Hello, Bob!","type":"string"}],"type":"primary type"}]`)
	if _, err := json.Marshal(req.TypedData); err != nil {
		t.Fatal(err)
	}
}
