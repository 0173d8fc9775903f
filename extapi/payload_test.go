package extapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// payloadHash is of a block, and zeroDomain is the domain of all blocks of today.
var (
	payloadHash = crypto.Keccak256Hash([]byte("a block"))
	zeroDomain  = "0x" + strings.Repeat("00", 32)
)

// payloadV1 is the first version's parameter, as a Go client writes it.
func payloadV1(t testing.TB, domain [32]byte, chain *big.Int, hash []byte, sender *common.Address) string {
	t.Helper()
	text, err := json.Marshal(struct {
		Domain        [32]byte        `json:"domain"`
		ChainID       *big.Int        `json:"chainId"`
		PayloadHash   []byte          `json:"payloadHash"`
		SenderAddress *common.Address `json:"senderAddress"`
	}{domain, chain, hash, sender})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// payloadV2 is the second version's parameter.
func payloadV2(domain, chain, hash, sender string) string {
	return fmt.Sprintf(`{"domain":%q,"chainId":%s,"payloadHash":%q,"senderAddress":%s}`, domain, chain, hash, sender)
}

// digestOf is what is signed of a payload, by the specification of the OP stack.
func digestOf(domain [32]byte, chain *big.Int, hash common.Hash) common.Hash {
	return crypto.Keccak256Hash(domain[:], math.U256Bytes(new(big.Int).Set(chain)), hash[:])
}

// TestBlockPayloads: both versions, in each form of their members.
func TestBlockPayloads(t *testing.T) {
	large, sender := new(big.Int).SetUint64(1<<63-40), common.HexToAddress(testAddress)
	w, decider := newEthCaller(t, func(cfg *Config) { cfg.ChainIDs = []*big.Int{big.NewInt(10), large} })
	named, hash := fmt.Sprintf("%q", strings.ToLower(testAddress)), payloadHash.Hex()
	const v1, v2 = "opsigner_signBlockPayload", "opsigner_signBlockPayloadV2"
	old := payloadV1(t, [32]byte{}, big.NewInt(10), payloadHash[:], &sender)
	for name, tt := range map[string]struct {
		method, params string
		domain         [32]byte
		chain          *big.Int
	}{
		"version 1":                 {v1, old, [32]byte{}, big.NewInt(10)},
		"version 1, no sender":      {v1, payloadV1(t, [32]byte{}, big.NewInt(10), payloadHash[:], nil), [32]byte{}, big.NewInt(10)},
		"version 1, a large chain":  {v1, payloadV1(t, [32]byte{}, large, payloadHash[:], &sender), [32]byte{}, large},
		"version 1, a domain":       {v1, payloadV1(t, [32]byte{31: 255}, big.NewInt(10), payloadHash[:], &sender), [32]byte{31: 255}, big.NewInt(10)},
		"version 1, the block":      {v1, strings.Replace(old, `"payloadHash"`, `"PayloadBytes":"`+base64.StdEncoding.EncodeToString(make([]byte, 100_000))+`","payloadHash"`, 1), [32]byte{}, big.NewInt(10)},
		"version 2":                 {v2, payloadV2(zeroDomain, `"10"`, hash, named), [32]byte{}, big.NewInt(10)},
		"version 2, no sender":      {v2, payloadV2(zeroDomain, `"10"`, hash, "null"), [32]byte{}, big.NewInt(10)},
		"version 2, sender left":    {v2, strings.Replace(payloadV2(zeroDomain, `"10"`, hash, "null"), `,"senderAddress":null`, "", 1), [32]byte{}, big.NewInt(10)},
		"version 2, hexadecimal":    {v2, payloadV2(zeroDomain, `"0xa"`, hash, named), [32]byte{}, big.NewInt(10)},
		"version 2, a number":       {v2, payloadV2(zeroDomain, `10`, hash, named), [32]byte{}, big.NewInt(10)},
		"version 2, a large number": {v2, payloadV2(zeroDomain, large.String(), hash, named), [32]byte{}, large},
		"version 2, a domain":       {v2, payloadV2("0x80"+zeroDomain[4:], `"10"`, hash, named), [32]byte{0x80}, big.NewInt(10)},
	} {
		var signature hexutil.Bytes
		w.result(tt.method, "["+tt.params+"]", &signature)
		if signer := signerOf(t, digestOf(tt.domain, tt.chain, payloadHash), signature, 0); signer != sender {
			t.Errorf("%s: signed by %v", name, signer)
		}
		req := decider.last(t)
		if req.Kind != rules.KindBlockPayload || req.Method != tt.method || req.ChainID.Cmp(tt.chain) != 0 || req.Payload.Domain != tt.domain || req.Payload.Hash != payloadHash ||
			req.Account.Address != sender || !bytes.Equal(crypto.Keccak256(req.Preimage), req.Digest[:]) {
			t.Errorf("%s: asked %+v", name, req)
		}
		wantRebuilt(t, req)
	}
}

// TestBlockPayloadsRefused: what can't be decoded exactly is not signed.
func TestBlockPayloadsRefused(t *testing.T) {
	w, decider := newEthCaller(t, forChains(10))
	named, hash := fmt.Sprintf("%q", testAddress), payloadHash.Hex()
	good1, good2 := payloadV1(t, [32]byte{}, big.NewInt(10), payloadHash[:], nil), payloadV2(zeroDomain, `"10"`, hash, named)
	const v1, v2 = "opsigner_signBlockPayload", "opsigner_signBlockPayloadV2"
	replaced := func(text, old, by string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%s is not in %s", old, text)
		}
		return strings.Replace(text, old, by, 1)
	}
	for name, tt := range map[string]struct {
		method, params string
		code           int
		want           string
	}{
		"no chain":              {v2, replaced(good2, `"10"`, "null"), -32012, "chainId is missing"},
		"chain 0":               {v2, replaced(good2, `"10"`, `"0"`), -32012, "chainId is missing"},
		"another chain":         {v2, replaced(good2, `"10"`, `"11"`), -32012, "does not match the configuration"},
		"another chain, v1":     {v1, replaced(good1, `"chainId":10`, `"chainId":11`), -32012, "does not match the configuration"},
		"a chain of 257 bits":   {v2, replaced(good2, `"10"`, new(big.Int).Lsh(big.NewInt(1), 256).String()), -32602, "more than 256 bits"},
		"a long chain":          {v2, replaced(good2, `"10"`, strings.Repeat("1", 79)), -32602, "want a whole number"},
		"a negative chain":      {v1, replaced(good1, `"chainId":10`, `"chainId":-10`), -32602, "want a whole number"},
		"a broken chain":        {v2, replaced(good2, `"10"`, `10.0`), -32602, "want a whole number"},
		"an exponent":           {v2, replaced(good2, `"10"`, `1e1`), -32602, "want a whole number"},
		"octal":                 {v2, replaced(good2, `"10"`, `"0o12"`), -32602, "want a whole number"},
		"zero hash":             {v2, replaced(good2, hash, zeroDomain), -32012, "payloadHash is missing"},
		"zero hash, v1":         {v1, payloadV1(t, [32]byte{}, big.NewInt(10), make([]byte, 32), nil), -32012, "payloadHash is missing"},
		"a short hash":          {v1, payloadV1(t, [32]byte{}, big.NewInt(10), make([]byte, 31), nil), -32602, "want 32 bytes in base64"},
		"a long hash":           {v1, payloadV1(t, [32]byte{}, big.NewInt(10), make([]byte, 33), nil), -32602, "want 32 bytes in base64"},
		"a hash in hexadecimal": {v1, replaced(good1, base64.StdEncoding.EncodeToString(payloadHash[:]), hash), -32602, "want 32 bytes in base64"},
		"a hash in base64":      {v2, replaced(good2, hash, base64.StdEncoding.EncodeToString(payloadHash[:])), -32602, "reading payloadHash"},
		"a short domain":        {v1, replaced(good1, "[0,", "["), -32602, "want an array of 32 numbers"},
		"a long domain":         {v1, replaced(good1, "[0,", "[0,0,"), -32602, "want an array of 32 numbers"},
		"a large number":        {v1, replaced(good1, "[0,", "[256,"), -32602, "want an array of 32 numbers"},
		"a domain in base64":    {v1, replaced(good1, "["+strings.Repeat("0,", 31)+"0]", `"`+base64.StdEncoding.EncodeToString(make([]byte, 32))+`"`), -32602, "want an array of 32 numbers"},
		"no domain":             {v2, replaced(good2, `"domain":"`+zeroDomain+`",`, ""), -32602, "domain is missing"},
		"another member":        {v2, replaced(good2, `"domain"`, `"height":1,"domain"`), -32602, `unknown member "height"`},
		"the block, v2":         {v2, replaced(good2, `"domain"`, `"PayloadBytes":"","domain"`), -32602, `unknown member "PayloadBytes"`},
		"other case":            {v2, replaced(good2, `"chainId"`, `"chainID"`), -32602, `it is spelled "chainId"`},
		"twice":                 {v2, replaced(good2, `"domain"`, `"chainId":"11","domain"`), -32602, "duplicate member"},
		"a short sender":        {v2, replaced(good2, named, `"0x12"`), -32602, "reading senderAddress"},
		"an array":              {v2, "[]", -32602, "is an object"},
		"text":                  {v1, `"x"`, -32602, "is an object"},
		"nothing":               {v1, "null", -32602, ""},
		"another account":       {v2, replaced(good2, named, fmt.Sprintf("%q", testRecipient)), -32012, "unknown account"},
	} {
		answer := w.call(tt.method, "["+tt.params+"]")
		if answer.code() != tt.code || !strings.Contains(answer.message(), tt.want) {
			t.Errorf("%s: %+v", name, answer.Error)
		}
	}
	if decider.asked() != 1 { // another account
		t.Errorf("%d requests were judged", decider.asked())
	}
}

// TestPayloadSenderIsNamed: without a sender there must be one account exactly.
func TestPayloadSenderIsNamed(t *testing.T) {
	keys := newRing(t, 1)
	w, _ := newEthCaller(t, func(cfg *Config) { cfg.Signer = keys })
	answer := w.call("opsigner_signBlockPayloadV2", "["+payloadV2(zeroDomain, "1337", payloadHash.Hex(), "null")+"]")
	if answer.code() != -32012 || !strings.Contains(answer.message(), "senderAddress is missing: name the account") || keys.asked != 0 {
		t.Errorf("%+v, %d signatures", answer.Error, keys.asked)
	}
	for _, account := range keys.Accounts() {
		var signature hexutil.Bytes
		w.result("opsigner_signBlockPayloadV2", "["+payloadV2(zeroDomain, "1337", payloadHash.Hex(), fmt.Sprintf("%q", account.Address.Hex()))+"]", &signature)
		if signer := signerOf(t, digestOf([32]byte{}, big.NewInt(1337), payloadHash), signature, 0); signer != account.Address {
			t.Errorf("signed by %v, asked %v", signer, account.Address)
		}
	}
}

// TestPayloadIsNothingElse: a caller chooses domain and hash, and with them could
// write a transaction around the chain. Such a domain is not signed.
func TestPayloadIsNothingElse(t *testing.T) {
	domain, err := hexutil.Decode("0x02f85d820539" + "01" + "01" + "843b9aca00" + "830f4240" + "80" + "80" + "b84a" + "600056005b000000000000")
	if err != nil || len(domain) != 32 {
		t.Fatalf("%d bytes, %v", len(domain), err)
	}
	hash := append(bytes.Repeat([]byte{0x5b}, 31), 0xc0)
	chain := big.NewInt(1337)
	digest := digestOf([32]byte(domain), chain, common.Hash(hash))
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: chain, Nonce: 1, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1_000_000_000), Gas: 1_000_000,
		Data: append(append(append([]byte{}, domain[21:]...), math.U256Bytes(new(big.Int).Set(chain))...), hash[:31]...),
	})
	if types.LatestSignerForChainID(chain).Hash(tx) != digest {
		t.Fatal("the payload is no transaction, and shows nothing")
	}
	w, decider := newEthCaller(t, nil)
	answer := w.call("opsigner_signBlockPayloadV2", "["+payloadV2(hexutil.Encode(domain), "1337", hexutil.Encode(hash), "null")+"]")
	if answer.code() != -32012 || !strings.Contains(answer.message(), "may be a transaction") {
		t.Errorf("%+v", answer.Error)
	}
	for first := range 256 {
		domain[0] = byte(first)
		_, text := base64.StdEncoding.EncodeToString(hash), payloadV2(hexutil.Encode(domain), "1337", hexutil.Encode(hash), "null")
		free := first == 0 || first >= 0x80 && first < 0xc0
		if answer := w.call("opsigner_signBlockPayloadV2", "["+text+"]"); (answer.Error == nil) != free {
			t.Errorf("0x%02x: %+v", first, answer.Error)
		}
	}
	if decider.asked() != 65 {
		t.Errorf("%d were judged", decider.asked())
	}
}

// FuzzBlockPayloadV1 compares the decoder with encoding/json: what it takes, that
// reads alike.
func FuzzBlockPayloadV1(f *testing.F) {
	sender := common.HexToAddress(testAddress)
	f.Add([]byte(payloadV1(f, [32]byte{}, big.NewInt(10), payloadHash[:], &sender)))
	f.Add([]byte(payloadV1(f, [32]byte{1}, new(big.Int).Lsh(big.NewInt(1), 255), payloadHash[:], nil)))
	f.Add([]byte(`{"domain":[],"chainId":"0xa","payloadHash":"","PayloadBytes":""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got blockPayloadV1
		if json.Unmarshal(raw, &got) != nil {
			return
		}
		var want struct {
			Domain        [32]byte
			ChainID       json.RawMessage
			PayloadHash   []byte
			SenderAddress *common.Address
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		samePayload(t, raw, &got.blockPayload, want.Domain, want.ChainID, common.Hash(want.PayloadHash), want.SenderAddress)
	})
}

// FuzzBlockPayloadV2 is the same for the second version.
func FuzzBlockPayloadV2(f *testing.F) {
	f.Add([]byte(payloadV2(zeroDomain, `"10"`, payloadHash.Hex(), "null")))
	f.Add([]byte(payloadV2(zeroDomain, `0`, payloadHash.Hex(), `"`+testAddress+`"`)))
	f.Add([]byte(payloadV2(zeroDomain, `"0xA"`, payloadHash.Hex(), "{}")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got blockPayloadV2
		if json.Unmarshal(raw, &got) != nil {
			return
		}
		var want struct {
			Domain, PayloadHash common.Hash
			ChainID             json.RawMessage
			SenderAddress       *common.Address
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		samePayload(t, raw, &got.blockPayload, want.Domain, want.ChainID, want.PayloadHash, want.SenderAddress)
	})
}

// samePayload compares a payload with what encoding/json reads.
func samePayload(t *testing.T, raw []byte, got *blockPayload, domain [32]byte, chain json.RawMessage, hash common.Hash, sender *common.Address) {
	t.Helper()
	number, ok := math.ParseBig256(strings.Trim(string(chain), `"`))
	switch {
	case len(chain) == 0, string(chain) == "null":
		ok = got.chain == nil
	case ok && !strings.Contains(string(chain), "0x"):
		number, ok = new(big.Int).SetString(strings.Trim(string(chain), `"`), 10)
		ok = ok && got.chain != nil && number.Cmp(got.chain) == 0
	default:
		ok = ok && got.chain != nil && number.Cmp(got.chain) == 0
	}
	if !ok || got.domain != domain || got.hash != hash || (got.sender == nil) != (sender == nil) || sender != nil && *sender != *got.sender {
		t.Fatalf("%s: %+v", raw, got)
	}
}
