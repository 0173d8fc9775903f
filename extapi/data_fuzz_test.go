package extapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// lastDecider approves every request and keeps the last one only.
type lastDecider struct{ request *rules.Request }

func (l *lastDecider) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	l.request = req
	return rules.Decision{Verdict: rules.Approve}, nil
}

func (*lastDecider) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

// newFuzzAccount returns a receiver whose methods are called directly.
func newFuzzAccount(t testing.TB) (*Account, *lastDecider) {
	t.Helper()
	decider := new(lastDecider)
	account, _ := newTestAccount(t, func(cfg *Config) {
		cfg.Decider = decider
		cfg.ChainIDs = []*big.Int{big.NewInt(1), big.NewInt(1337)}
	})
	return account, decider
}

// seedParams adds the parameters of captured requests to a corpus.
func seedParams(f *testing.F, method string, add func(params []json.RawMessage)) {
	for _, c := range dataCaptures(f, method) {
		add(c.Request.Params)
	}
}

// hashByApitypes is go-ethereum's digest of a document, false where it panics
// or refuses.
func hashByApitypes(document *apitypes.TypedData) (digest common.Hash, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	hash, _, err := apitypes.TypedDataAndHash(*document)
	return common.BytesToHash(hash), err == nil
}

// FuzzTypedData: no document panics or hangs, and what is accepted has
// go-ethereum's digest, whether it reads our form of the document or the text.
func FuzzTypedData(f *testing.F) {
	seedParams(f, "account_signTypedData", func(params []json.RawMessage) { f.Add([]byte(params[1])) })
	random := rand.New(rand.NewPCG(712, 2))
	for range 20 {
		f.Add(document(f, newDocument(random), false))
	}
	f.Add([]byte(docOf(`"M":[{"name":"c","type":"M[][2]"}]`, `{"c":[[],[{"c":[[],[]]}]]}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			t.Skip("go-ethereum's work is quadratic")
		}
		var decoded TypedData
		if json.Unmarshal(text, &decoded) != nil {
			return
		}
		encoded, err := encodeTypedData(&decoded)
		if err != nil {
			return
		}
		if crypto.Keccak256Hash(encoded.preimage) != encoded.digest {
			t.Fatal("the digest is not the preimage's")
		}
		var req rules.Request
		encoded.describe(&req, rules.KindTypedData)
		wantRebuilt(t, &req)
		if theirs, ok := hashByApitypes(encoded.document); ok && theirs != encoded.digest {
			t.Fatalf("apitypes %v, ours %v", theirs, encoded.digest)
		}
		var read apitypes.TypedData
		if json.Unmarshal(text, &read) == nil && exactInFloat64(decoded.message) {
			if theirs, ok := hashByApitypes(&read); ok && theirs != encoded.digest {
				t.Fatalf("apitypes %v of the text, ours %v", theirs, encoded.digest)
			}
		}
		if _, err := json.Marshal(encoded.messages); err != nil {
			t.Fatal(err)
		}
	})
}

// exactInFloat64 reports whether a document has no number that encoding/json
// would round.
func exactInFloat64(tree any) bool {
	switch tree := tree.(type) {
	case json.Number:
		return len(tree) <= 15
	case []any:
		for _, element := range tree {
			if !exactInFloat64(element) {
				return false
			}
		}
	case map[string]any:
		for _, member := range tree {
			if !exactInFloat64(member) {
				return false
			}
		}
	}
	return true
}

// FuzzSafe: no Safe transaction panics, and a signature is over the safeTxHash
// that was named, for a chain of the signer.
func FuzzSafe(f *testing.F) {
	seedParams(f, "account_signGnosisSafeTx", func(params []json.RawMessage) { f.Add([]byte(params[1])) })
	f.Add([]byte(safeText))
	account, decider := newFuzzAccount(f)
	address := common.NewMixedcaseAddress(common.HexToAddress(testAddress))
	f.Fuzz(func(t *testing.T, text []byte) {
		var tx SafeTransaction
		if json.Unmarshal(text, &tx) != nil {
			return
		}
		named := tx.InputExpHash
		answer, err := account.SignGnosisSafeTx(t.Context(), address, tx, nil)
		if err != nil {
			if err.Error() == errInternal.Error() {
				t.Fatal("internal error")
			}
			return
		}
		req := decider.request
		if req.Digest != named || answer.SafeTxHash != named || req.ChainID != nil && !account.chains.contains(req.ChainID) {
			t.Fatalf("signed %v on chain %v for %v", req.Digest, req.ChainID, named)
		}
		wantRebuilt(t, req)
		if _, err := json.Marshal(answer); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzSignData: no data panics, and a signature is over the hash of the
// preimage that rules saw, which can't be a transaction.
func FuzzSignData(f *testing.F) {
	seedParams(f, "account_signData", func(params []json.RawMessage) {
		var mediaType string
		if json.Unmarshal(params[0], &mediaType) == nil {
			f.Add(mediaType, []byte(params[2]))
		}
	})
	account, decider := newFuzzAccount(f)
	address := common.NewMixedcaseAddress(common.HexToAddress(testAddress))
	f.Fuzz(func(t *testing.T, mediaType string, data []byte) {
		if !json.Valid(data) {
			return // never leaves the JSON-RPC layer
		}
		signature, err := account.SignData(t.Context(), mediaType, address, data)
		if err != nil {
			if err.Error() == errInternal.Error() {
				t.Fatal("internal error")
			}
			return
		}
		req := decider.request
		if crypto.Keccak256Hash(req.Preimage) != req.Digest {
			t.Fatal("the digest is not the preimage's")
		}
		wantRebuilt(t, req)
		if req.ContentType != "application/x-clique-header" && req.Preimage[0] != 0x19 {
			t.Fatalf("preimage %x is not of EIP-191", req.Preimage)
		}
		base := byte(27)
		if req.ContentType == "application/x-clique-header" {
			base = 0
		}
		wantSignedBy(t, json.RawMessage(fmt.Sprintf("%q", signature)), req.Digest, base)
	})
}

// FuzzClique: no header panics, and the seal hash of a header is its block hash.
func FuzzClique(f *testing.F) {
	header, err := rlp.EncodeToBytes(cliqueHeader())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header)
	seedParams(f, "account_signData", func(params []json.RawMessage) {
		var text string
		if string(params[0]) == `"application/x-clique-header"` && json.Unmarshal(params[2], &text) == nil {
			f.Add(common.FromHex(text))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var req rules.Request
		if describeCliqueHeader(&req, hexutil.Encode(data)) != nil {
			return
		}
		var header types.Header
		if err := rlp.DecodeBytes(data, &header); err != nil {
			t.Fatal(err)
		}
		if req.Digest != header.Hash() || crypto.Keccak256Hash(req.Preimage) != req.Digest {
			t.Fatalf("digest %v, block hash %v", req.Digest, header.Hash())
		}
	})
}
