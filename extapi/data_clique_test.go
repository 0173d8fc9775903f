package extapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/kvclef/kvclef/rules"
)

// hexOf returns a JSON string with the hexadecimal of data.
func hexOf[T string | []byte](data T) string { return `"` + hexutil.Encode([]byte(data)) + `"` }

// wantMessages compares what rules see with its JSON.
func wantMessages(t testing.TB, req *rules.Request, want string) {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(req.Messages); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(text.String()); got != want {
		t.Fatalf("messages\n got %s\nwant %s", got, want)
	}
}

func cliqueHeader() *types.Header {
	return &types.Header{Difficulty: big.NewInt(2), Number: big.NewInt(9), GasLimit: 30_000_000, Time: 1, Extra: make([]byte, 32)}
}

func encodeHeader(t testing.TB, header *types.Header) string {
	t.Helper()
	data, err := rlp.EncodeToBytes(header)
	if err != nil {
		t.Fatal(err)
	}
	return hexOf(data)
}

// The seal hash is that of EIP-225: the hash of a header whose extra data has
// no seal is the ordinary block hash.
func TestSignCliqueHeader(t *testing.T) {
	server := newDataServer(t)
	plain, london := cliqueHeader(), cliqueHeader()
	london.BaseFee = big.NewInt(7)
	for name, header := range map[string]*types.Header{"before London": plain, "with a base fee": london} {
		t.Run(name, func(t *testing.T) {
			result, err := server.call("account_signData", `"application/x-clique-header"`, testAccount, encodeHeader(t, header))
			if err != nil {
				t.Fatal(err)
			}
			req := server.rules.last(t)
			wantSignedBy(t, result, header.Hash(), 0)
			if req.Kind != rules.KindData || req.Digest != header.Hash() || crypto.Keccak256Hash(req.Preimage) != req.Digest {
				t.Fatalf("request %+v", req)
			}
			sealed := *header
			sealed.Extra = make([]byte, 32+65)
			wantMessages(t, req, fmt.Sprintf(`[{"name":"Clique header","value":"clique header 9 [%#x]","type":"clique"}]`, sealed.Hash()))
		})
	}
}

// The helper that Clef uses panics on members of later forks.
func TestCliqueHeaderRefuses(t *testing.T) {
	server := newDataServer(t)
	const later = "clique header has members of later forks: only headers up to the base fee have a clique seal"
	zero, hash, fee := uint64(0), common.Hash{}, big.NewInt(1)
	headers := []*types.Header{
		{BaseFee: fee, WithdrawalsHash: &hash},
		{BaseFee: fee, WithdrawalsHash: &hash, BlobGasUsed: &zero, ExcessBlobGas: &zero, ParentBeaconRoot: &hash},
		{BaseFee: fee, WithdrawalsHash: &hash, BlobGasUsed: &zero, ExcessBlobGas: &zero, ParentBeaconRoot: &hash, RequestsHash: &hash, BlockAccessListHash: &hash, SlotNumber: &zero},
	}
	for _, header := range headers {
		header.Difficulty, header.Number = big.NewInt(1), big.NewInt(1)
		_, err := server.call("account_signData", `"application/x-clique-header"`, testAccount, encodeHeader(t, header))
		wantError(t, err, later)
	}
	huge := cliqueHeader()
	huge.Number = new(big.Int).Lsh(big.NewInt(1), 100_000)
	_, err := server.call("account_signData", `"application/x-clique-header"`, testAccount, encodeHeader(t, huge))
	wantError(t, err, "clique header: too large block number: bitlen 100001")
	long := cliqueHeader()
	long.Extra = make([]byte, 200_000)
	_, err = server.call("account_signData", `"application/x-clique-header"`, testAccount, encodeHeader(t, long))
	wantError(t, err, "clique header: too large block extradata: size 200000")
}
