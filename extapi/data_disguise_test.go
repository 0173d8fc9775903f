package extapi

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// A text that is the preimage of something else signs a message of that text,
// never the something.
func TestTextNeverSignsItsOwnHash(t *testing.T) {
	server := newDataServer(t)
	to := common.HexToAddress(testAddress)
	signer := types.LatestSignerForChainID(big.NewInt(1337))
	transaction := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1337), To: &to, Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1)})
	preimage, err := transaction.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"typed data":     encodeText(t, []byte(oneField("bool", "true"))).preimage,
		"validator data": common.FromHex("0x1900" + strings.Repeat("11", 20) + "00"),
		"prefixed text":  []byte("\x19Ethereum Signed Message:\n5hello"),
		"transaction":    preimage,
		"digest":         signer.Hash(transaction).Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := server.call("account_signData", `"text/plain"`, testAccount, hexOf(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			req := server.rules.last(t)
			wantSignedBy(t, result, req.Digest, 27)
			if req.Digest == crypto.Keccak256Hash(text) || req.Digest == common.BytesToHash(text) {
				t.Fatal("the text itself was signed")
			}
			if !strings.HasPrefix(string(req.Preimage), "\x19Ethereum Signed Message:\n") || crypto.Keccak256Hash(req.Preimage) != req.Digest {
				t.Fatalf("preimage %q", req.Preimage)
			}
		})
	}
}

// However a chain is spelled, it is one number, or refused.
func TestTypedDataChainSpellings(t *testing.T) {
	server := newDataServer(t, 1337)
	const other = "requested chainid "
	for chain, want := range map[string]string{
		`1337`: "", `"1337"`: "", `"01337"`: "", `"0x539"`: "", `"0X0539"`: "", `"0x000000539"`: "",
		`1337.0`:   "invalid argument 1: domain.chainId: invalid float value 1337.0",
		`1.337e3`:  "invalid argument 1: domain.chainId: invalid float value 1.337e3",
		`"1337.0"`: "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`" 1337"`:  "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`"1_337"`:  "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`"+1337"`:  "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`"１３３７"`:   "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`""`:       "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`"0x"`:     "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`-1337`:    "invalid argument 1: domain.chainId: invalid negative value",
		`"-0x539"`: "invalid argument 1: domain.chainId: invalid hex or decimal integer",
		`true`:     "invalid argument 1: domain.chainId: invalid integer value",
		`[1337]`:   "invalid argument 1: domain.chainId: invalid integer value",
		`null`:     "invalid integer value <nil>/<nil> for type uint256", // its type names it
		`-0`:       other,
		`2471`:     other,
		`735`:      other, // 01337 read as octal
		// Both are 1337 in their low 64 bits.
		`18446744073709552953`:                    other,
		`"0x10000000000000539"`:                   other,
		`"0x1` + strings.Repeat("0", 61) + `539"`: "invalid argument 1: domain.chainId: integer larger than 'uint256'",
	} {
		text := `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"}],"M":[]},"primaryType":"M","domain":{"name":"x","chainId":` +
			chain + `},"message":{}}`
		_, err := server.call("account_signTypedData", testAccount, text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", chain, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", chain, err, want)
		}
	}
}
