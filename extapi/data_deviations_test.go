package extapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// Deviation 1: Clef signs a Safe transaction with a chain id whatever
// safeTxHash says, and for any chain.
func TestDeviation1SafeHashIsAlwaysCompared(t *testing.T) {
	server := newDataServer(t)
	wrong := strings.Repeat("11", 32)
	for name, test := range map[string]struct{ text, want string }{
		"wrong hash": {
			strings.Replace(safeWith(t, `"nonce"`, `"chainId":"0x539","nonce"`), safeHash, "0x"+wrong, 1),
			"mismatched safeTxHash; have " + safeHash + " want 0x" + wrong,
		},
		"wrong hash, delegatecall": {
			strings.Replace(safeWith(t, `"operation":0`, `"chainId":"0x539","operation":1`), safeHash, "0x"+wrong, 1),
			"mismatched safeTxHash; have 0x8163a6cb0334fd09d5a189d4e935bfdf1f925ccd9d222f9296ef241d01f4404a want 0x" + wrong,
		},
		"right hash of another chain": {
			rehashed(t, safeWith(t, `"nonce"`, `"chainId":"0x1","nonce"`)),
			"requested chainid 1 does not match the configuration of the signer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.call("account_signGnosisSafeTx", testAccount, test.text)
			wantError(t, err, test.want)
		})
	}
	if server.rules.asked() != 0 {
		t.Fatal("rules were asked")
	}
}

// Deviation 8: Clef shows rules and approvers only the last element of an array
// of structs.
func TestDeviation8EveryStructOfAnArrayIsShown(t *testing.T) {
	server := newDataServer(t)
	c := dataCaptures(t, "account_signTypedData")["typed-struct-array"]
	result, err := server.call("account_signTypedData", string(c.Request.Params[0]), string(c.Request.Params[1]))
	if err != nil || string(result) != string(c.Response.Result) {
		t.Fatalf("got %s, %v; Clef: %s", result, err, c.Response.Result)
	}
	wantMessages(t, server.rules.last(t), `[{"name":"EIP712Domain","value":[{"name":"name","value":"x","type":"string"}],"type":"domain"},`+
		`{"name":"M","value":[{"name":"ps","value":[`+
		`{"name":"0","value":[{"name":"n","value":"first","type":"string"}],"type":"P"},`+
		`{"name":"1","value":[{"name":"n","value":"second","type":"string"}],"type":"P"}],"type":"P[]"}],"type":"primary type"}]`)
}

// Deviation 9: Clef's display formatter refuses most arrays of primitive types.
func TestDeviation9ArraysAreSigned(t *testing.T) {
	server := newDataServer(t)
	captures := dataCaptures(t, "account_signTypedData")
	for _, name := range []string{"typed-uint256-array", "typed-address-array", "typed-string-array", "typed-bool-array", "typed-nested-array"} {
		t.Run(name, func(t *testing.T) {
			text := captures[name].Request.Params[1]
			result, err := server.call("account_signTypedData", testAccount, string(text))
			if err != nil {
				t.Fatal(err)
			}
			var theirs apitypes.TypedData
			if err := json.Unmarshal(text, &theirs); err != nil {
				t.Fatal(err)
			}
			digest, _, err := apitypes.TypedDataAndHash(theirs)
			if err != nil {
				t.Fatal(err)
			}
			wantSignedBy(t, result, common.BytesToHash(digest), 27)
		})
	}
}

// Deviation 10: in Clef, JSON numbers pass through float64, int8 takes 200,
// bytes32[3] takes one element, and a null element is a panic.
func TestDeviation10TypedDataValuesAreExact(t *testing.T) {
	server := newDataServer(t)
	result, err := server.call("account_signTypedData", testAccount, oneField("uint256", "9007199254740993"))
	if err != nil {
		t.Fatal(err)
	}
	wantSignedBy(t, result, encodeText(t, []byte(oneField("uint256", `"9007199254740993"`))).digest, 27)

	captures := dataCaptures(t, "account_signTypedData")
	for name, want := range map[string]string{
		"typed-int-overflow":             "integer larger than 'int8'",
		"typed-fixed-array-wrong-length": "array of 1 elements doesn't match type 'bytes32[3]'",
		"typed-array-null-item":          "provided data '<nil>' doesn't match type 'bytes32'",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.call("account_signTypedData", testAccount, string(captures[name].Request.Params[1]))
			wantError(t, err, want)
		})
	}
}

// Deviation 11: Clef signs typed data for any chain.
func TestDeviation11TypedDataForAnotherChainIsRefused(t *testing.T) {
	server := newDataServer(t, 10, 1337)
	const chained = `{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"}],"M":[]},"primaryType":"M","domain":{"chainId":CHAIN},"message":{}}`
	for _, test := range []struct{ chain, want string }{
		{`1337`, ""},
		{`"10"`, ""},
		{`"0xa"`, ""},
		{`1`, "requested chainid 1 does not match the configuration of the signer"},
		{`0`, "requested chainid 0 does not match the configuration of the signer"},
		{`"0x1"`, "requested chainid 1 does not match the configuration of the signer"},
	} {
		text := strings.Replace(chained, "CHAIN", test.chain, 1)
		_, direct := server.call("account_signTypedData", testAccount, text)
		_, asData := server.call("account_signData", `"data/typed"`, testAccount, hexOf(text))
		for _, err := range []error{direct, asData} {
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want != "" {
				wantError(t, err, test.want)
			}
		}
	}
	if _, err := server.call("account_signTypedData", testAccount, oneField("bool", "true")); err != nil {
		t.Fatalf("a domain without a chain: %v", err)
	}
	if chain := server.rules.last(t).ChainID; chain != nil {
		t.Fatalf("chain %v of a domain without one", chain)
	}
}

// Deviation 18: Clef crops the address of data for a validator to its last 20
// bytes.
func TestDeviation18ValidatorAddressHas20Bytes(t *testing.T) {
	server := newDataServer(t)
	for _, test := range []struct{ address, want string }{
		{"0x" + strings.Repeat("11", 25), "validator address has 25 bytes: want 20"},
		{"0x" + strings.Repeat("11", 19), "validator address has 19 bytes: want 20"},
	} {
		_, err := server.call("account_signData", `"data/validator"`, testAccount, `{"address":"`+test.address+`","message":"0xdeadbeef"}`)
		wantError(t, err, test.want)
	}
	result, err := server.call("account_signData", `"data/validator"`, testAccount, `{"address":"0x`+strings.Repeat("11", 20)+`","message":"0xdeadbeef"}`)
	if err != nil {
		t.Fatal(err)
	}
	preimage := common.FromHex("0x1900" + strings.Repeat("11", 20) + "deadbeef")
	wantSignedBy(t, result, crypto.Keccak256Hash(preimage), 27)
}

// Deviation 19: Clef signs data of unknown media types as personal messages.
func TestDeviation19UnknownMediaTypesAreRefused(t *testing.T) {
	server := newDataServer(t)
	for _, mediaType := range []string{"application/json", "text/html", "data/typed2", "application/x-clique"} {
		_, err := server.call("account_signData", `"`+mediaType+`"`, testAccount, `"0x68656c6c6f"`)
		wantError(t, err, `media type "`+mediaType+`" is not signed: use text/plain, data/validator, data/typed or application/x-clique-header`)
	}
}

// Deviation 23, of data: rules are told which key of which vault would sign,
// and no path of a key store.
func TestDeviation23DataRequestsNameNoPath(t *testing.T) {
	server := newDataServer(t)
	for _, call := range []struct{ method, first, second, third string }{
		{"account_signData", `"text/plain"`, testAccount, `"0x00"`},
		{"account_signTypedData", testAccount, oneField("bool", "true"), ""},
		{"account_signGnosisSafeTx", testAccount, safeText, ""},
	} {
		params := []string{call.first, call.second}
		if call.third != "" {
			params = append(params, call.third)
		}
		if _, err := server.call(call.method, params...); err != nil {
			t.Fatal(err)
		}
		req := server.rules.last(t)
		if req.Account.Vault != "dev" || req.Account.Key != "test" {
			t.Errorf("account %+v", req.Account)
		}
		text, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "keystore") || strings.Contains(string(text), "file:") {
			t.Errorf("request %s names a local path", text)
		}
	}
}
