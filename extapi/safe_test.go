package extapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// safeText is the Safe transaction of the captures; its hash is of chain 1337.
const safeText = `{"safe":"0x25a6c4BBd32B2424A9c99aEB0584Ad12045382B3","to":"0xB372a646f7F05Cc1785018dBDA7EBc734a2A20E2","value":"20000000000000000",` +
	`"data":null,"operation":0,"gasToken":"0x0000000000000000000000000000000000000000","safeTxGas":27845,"baseGas":0,"gasPrice":"0",` +
	`"refundReceiver":"0x0000000000000000000000000000000000000000","nonce":2,"executionDate":null,` +
	`"safeTxHash":"0xca86e00442fff51b385a180ec8cd418cc6d699b5adc00822f22b23335b1cfdc5"}`

// safeHash is safeText's safeTxHash.
const safeHash = "0xca86e00442fff51b385a180ec8cd418cc6d699b5adc00822f22b23335b1cfdc5"

// safeWith returns safeText with a text replaced.
func safeWith(t testing.TB, old, replacement string) string {
	t.Helper()
	changed := strings.Replace(safeText, old, replacement, 1)
	if changed == safeText {
		t.Fatalf("%q does not occur", old)
	}
	return changed
}

// rehashed returns a Safe transaction with the safeTxHash that it has by
// go-ethereum's EIP-712.
func rehashed(t testing.TB, text string) string {
	t.Helper()
	var tx SafeTransaction
	if err := json.Unmarshal([]byte(text), &tx); err != nil {
		t.Fatal(err)
	}
	document := tx.document()
	digest, _, err := apitypes.TypedDataAndHash(apitypes.TypedData{
		Types: document.types, PrimaryType: document.primaryType, Domain: document.apiDomain(), Message: document.message,
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(text, safeHash, common.BytesToHash(digest).Hex(), 1)
}

func TestSignSafe(t *testing.T) {
	server := newDataServer(t, 1, 1337)
	for name, text := range map[string]string{
		"chain found":                safeText,
		"chain as number":            safeWith(t, `"nonce"`, `"chainId":1337,"nonce"`),
		"chain as decimal":           safeWith(t, `"nonce"`, `"chainId":"1337","nonce"`),
		"other chain":                rehashed(t, safeWith(t, `"nonce"`, `"chainId":"0x1","nonce"`)),
		"domain without chain":       rehashed(t, safeText),
		"delegatecall":               rehashed(t, safeWith(t, `"operation":0`, `"operation":1`)),
		"value in hexadecimal":       safeWith(t, `"20000000000000000"`, `"0x470de4df820000"`),
		"nonce beyond 2^53":          rehashed(t, safeWith(t, `"nonce":2`, `"nonce":9007199254740993`)),
		"nonce beyond 2^64":          rehashed(t, safeWith(t, `"nonce":2`, `"nonce":18446744073709551617`)),
		"members of relays":          safeWith(t, `"nonce"`, `"dataDecoded":{"method":"x"},"confirmations":[],"nonce"`),
		"data":                       rehashed(t, safeWith(t, `"data":null`, `"data":"0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb922660000000000000000000000000000000000000000000000000000000000000001"`)),
		"members set in answer only": safeWith(t, `"nonce"`, `"sender":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","signature":"0x00","contractTransactionHash":"0x`+strings.Repeat("11", 32)+`","nonce"`),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := server.call("account_signGnosisSafeTx", testAccount, text)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				Signature               json.RawMessage
				ContractTransactionHash common.Hash
				SafeTxHash              common.Hash
				Sender                  string
			}
			if err := json.Unmarshal(result, &answer); err != nil {
				t.Fatal(err)
			}
			wantSignedBy(t, answer.Signature, answer.SafeTxHash, 27)
			if answer.ContractTransactionHash != answer.SafeTxHash || `"`+answer.Sender+`"` != testAccount {
				t.Fatalf("answer %s", result)
			}
			req := server.rules.last(t)
			if req.Kind != rules.KindSafe || req.ContentType != "data/typed" || req.Digest != answer.SafeTxHash || req.TypedData.PrimaryType != "SafeTx" {
				t.Fatalf("request %+v", req)
			}
			digest, _, err := apitypes.TypedDataAndHash(*req.TypedData)
			if err != nil || common.BytesToHash(digest) != req.Digest {
				t.Fatalf("the document that rules see hashes to %x, %v; signed %v", digest, err, req.Digest)
			}
		})
	}
}

// What rules see of a Safe transaction, in Clef's words.
func TestSignSafeRequest(t *testing.T) {
	server := newDataServer(t)
	if _, err := server.call("account_signGnosisSafeTx", testAccount, safeText); err != nil {
		t.Fatal(err)
	}
	req := server.rules.last(t)
	if req.ChainID.Int64() != 1337 || req.Findings != nil {
		t.Fatalf("request %+v", req)
	}
	wantMessages(t, req, `[{"name":"EIP712Domain","value":[{"name":"chainId","value":"1337 (0x539)","type":"uint256"},`+
		`{"name":"verifyingContract","value":"0x25a6c4BBd32B2424A9c99aEB0584Ad12045382B3","type":"address"}],"type":"domain"},`+
		`{"name":"SafeTx","value":[{"name":"to","value":"0xB372a646f7F05Cc1785018dBDA7EBc734a2A20E2","type":"address"},`+
		`{"name":"value","value":"20000000000000000 (0x470de4df820000)","type":"uint256"},{"name":"data","value":"0x","type":"bytes"},`+
		`{"name":"operation","value":"0 (0x0)","type":"uint8"},{"name":"safeTxGas","value":"27845 (0x6cc5)","type":"uint256"},`+
		`{"name":"baseGas","value":"0 (0x0)","type":"uint256"},{"name":"gasPrice","value":"0 (0x0)","type":"uint256"},`+
		`{"name":"gasToken","value":"0x0000000000000000000000000000000000000000","type":"address"},`+
		`{"name":"refundReceiver","value":"0x0000000000000000000000000000000000000000","type":"address"},`+
		`{"name":"nonce","value":"2 (0x2)","type":"uint256"}],"type":"primary type"}]`)
}

func TestSignSafeRefuses(t *testing.T) {
	server := newDataServer(t)
	for name, test := range map[string]struct{ old, replacement, want string }{
		"duplicate":          {`"nonce":2`, `"nonce":2,"nonce":2`, `invalid argument 1: duplicate member "nonce": write it once`},
		"other case":         {`"nonce":2`, `"nonce":2,"Nonce":3`, `invalid argument 1: unknown member "Nonce": it is spelled "nonce"`},
		"no nonce":           {`"nonce":2,`, ``, `invalid argument 1: safe transaction lacks the member "nonce"`},
		"null to":            {`"to":"0xB372a646f7F05Cc1785018dBDA7EBc734a2A20E2"`, `"to":null`, `invalid argument 1: safe transaction lacks the member "to"`},
		"no hash":            {`"safeTxHash":"` + safeHash + `"`, `"x":1`, `invalid argument 1: safe transaction lacks the member "safeTxHash"`},
		"nonce with a point": {`"nonce":2`, `"nonce":2.0`, `invalid argument 1: math/big: cannot unmarshal "2.0" into a *big.Int`},
		"negative nonce":     {`"nonce":2`, `"nonce":-2`, `nonce: invalid negative value for unsigned type uint256`},
		"large nonce":        {`"nonce":2`, `"nonce":1` + strings.Repeat("0", 78), `nonce: integer larger than 'uint256'`},
		"endless nonce":      {`"nonce":2`, `"nonce":` + strings.Repeat("1", 500_000), `invalid argument 1: nonce has more than 256 bits`},
		"negative value":     {`"20000000000000000"`, `"-1"`, `value: invalid negative value for unsigned type uint256`},
		"operation 2":        {`"operation":0`, `"operation":2`, "operation 2 is unknown: 0 is CALL, 1 is DELEGATECALL"},
		"operation 256":      {`"operation":0`, `"operation":256`, "invalid argument 1: json: cannot unmarshal number 256 into Go struct field GnosisSafeTx.operation of type uint8"},
		"checksum":           {"0xB372a6", "0xb372a6", "validation failed: Invalid checksum on recipient address"},
		"call data":          {`"data":null`, `"data":"0xdeadbe0f"`, "validation failed: Transaction contains data, but the ABI signature could not be found: signature deadbe0f not found"},
		"array":              {safeText, `[]`, "invalid argument 1: json: cannot unmarshal array into Go value of type extapi.GnosisSafeTx"},
		"too large":          {`"nonce":2`, `"x":"` + strings.Repeat("x", maxDataJSON) + `","nonce":2`, "invalid argument 1: safe transaction of 2098616 bytes is too large: at most 2098176"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.call("account_signGnosisSafeTx", testAccount, safeWith(t, test.old, test.replacement))
			wantError(t, err, test.want)
		})
	}
	if decided := server.rules.asked(); decided != 0 {
		t.Fatalf("%d requests that can't be signed were put to rules", decided)
	}
}
