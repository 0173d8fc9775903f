package extapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

func TestSignDataRefuses(t *testing.T) {
	server := newDataServer(t)
	tooLarge := `"0x` + strings.Repeat("00", maxDataBytes+1) + `"`
	for name, test := range map[string]struct{ mediaType, data, want string }{
		"no hex digits":       {"text/plain", `"0xzz"`, "invalid hex string"},
		"odd length":          {"text/plain", `"0x123"`, "hex string of odd length"},
		"empty string":        {"text/plain", `""`, "empty hex string"},
		"null":                {"text/plain", `null`, "missing value for required argument 2"},
		"number":              {"text/plain", `1`, "wrong type float64"},
		"array":               {"text/plain", `["0x00"]`, "wrong type []interface {}"},
		"too large":           {"text/plain", tooLarge, "data of 1048577 bytes is too large: at most 1048576 are signed"},
		"far too large":       {"text/plain", `"0x` + strings.Repeat("00", 2*maxDataBytes) + `"`, "data is too large: at most 1048576 bytes are signed"},
		"bad media type":      {"text/", `"0x00"`, "mime: expected token after slash"},
		"unknown media type":  {"image/" + strings.Repeat("x", 100), `"0x00"`, "media type \"image/" + strings.Repeat("x", 58) + "…\" is not signed: use text/plain, data/validator, data/typed or application/x-clique-header"},
		"long media type":     {"text/plain;x=" + strings.Repeat("y", 300), `"0x00"`, "media type of 313 bytes is too long: at most 256"},
		"validator duplicate": {"data/validator", `{"address":"0x00","address":"0x01","message":"0x00"}`, `duplicate member "address": write it once`},
		"validator case":      {"data/validator", `{"Address":"0x00","message":"0x00"}`, `unknown member "Address": it is spelled "address"`},
		"validator address":   {"data/validator", `{"address":"0x","message":"0x00"}`, "validator address is undefined"},
		"validator message":   {"data/validator", `{"address":"0x0000000000000000000000000000000000000000","message":"0x"}`, "message is undefined"},
		"validator hex":       {"data/validator", `{"address":"00","message":"0x"}`, "validator address error: hex string without 0x prefix"},
		"typed no JSON":       {"data/typed", hexOf(`{"types":`), "unexpected end of JSON input"},
		"typed wrong kind":    {"data/typed", hexOf(`[]`), "json: cannot unmarshal array into Go value of type apitypes.TypedData"},
		"typed empty":         {"data/typed", hexOf(`{}`), "domain is undefined"},
		"clique short":        {"application/x-clique-header", `"0xc0"`, "rlp: too few elements for types.Header"},
		"clique object":       {"application/x-clique-header", `{}`, "wrong type map[string]interface {}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.call("account_signData", fmt.Sprintf("%q", test.mediaType), testAccount, test.data)
			wantError(t, err, test.want)
		})
	}
	if decided := server.rules.asked(); decided != 0 {
		t.Fatalf("%d requests that can't be signed were put to rules", decided)
	}
}

// What rules see is in the words and order of Clef.
func TestSignDataRequest(t *testing.T) {
	server := newDataServer(t)
	result, err := server.call("account_signData", `"Text/Plain; charset=utf-8"`, testAccount, `"0x68656c6c6f20776f726c64"`)
	if err != nil {
		t.Fatal(err)
	}
	req := server.rules.last(t)
	digest := common.HexToHash("0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68")
	wantSignedBy(t, result, digest, 27)
	if req.Kind != rules.KindText || req.ContentType != "text/plain" || req.Digest != digest || req.Method != "account_signData" {
		t.Fatalf("request %+v", req)
	}
	if got := string(req.Preimage); got != "\x19Ethereum Signed Message:\n11hello world" {
		t.Fatalf("preimage %q", got)
	}
	wantMessages(t, req, `[{"name":"message","value":"\u0019Ethereum Signed Message:\n11hello world","type":"text/plain"}]`)

	validator := `{"address":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","message":"0xdeadbeef"}`
	if result, err = server.call("account_signData", `"data/validator"`, testAccount, validator); err != nil {
		t.Fatal(err)
	}
	req = server.rules.last(t)
	wantSignedBy(t, result, req.Digest, 27)
	if req.Kind != rules.KindData || req.ContentType != "data/validator" {
		t.Fatalf("request %+v", req)
	}
	wantMessages(t, req, `[{"name":"This is a request to sign data intended for a particular validator (see EIP 191 version 0)","value":"","type":"description"},`+
		`{"name":"Intended validator address","value":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","type":"address"},`+
		`{"name":"Application-specific data","value":"0xdeadbeef","type":"hexdata"},`+
		`{"name":"Full message for signing","value":"0x1900f39fd6e51aad88f6f4ce6ab8827279cfffb92266deadbeef","type":"hexdata"}]`)
}

func TestEcRecover(t *testing.T) {
	server := newDataServer(t)
	signature, err := server.call("account_signData", `"text/plain"`, testAccount, `"0x00ff"`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := server.call("account_ecRecover", `"0x00ff"`, string(signature))
	if err != nil || string(got) != strings.ToLower(testAccount) {
		t.Fatalf("recovered %s, %v", got, err)
	}
	if got, err = server.call("account_ecRecover", `"0x00fe"`, string(signature)); err != nil || string(got) == strings.ToLower(testAccount) {
		t.Fatalf("recovered %s, %v from another message", got, err)
	}
	if decided := server.rules.asked(); decided != 1 {
		t.Fatalf("recovery was put to rules: %d requests", decided)
	}
}
