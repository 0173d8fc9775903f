package extapi

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
)

// ring is a signer with several keys, which counts what it is asked to sign.
type ring struct {
	keys map[common.Address]*ecdsa.PrivateKey
	list []rules.Account

	mu    sync.Mutex
	asked int
}

// newRing makes a ring with the key of the captures, and further ones.
func newRing(t testing.TB, further int) *ring {
	t.Helper()
	r := &ring{keys: make(map[common.Address]*ecdsa.PrivateKey)}
	for i := range further + 1 {
		key, err := crypto.HexToECDSA(testKeyHex)
		if i > 0 {
			key, err = crypto.GenerateKey()
		}
		if err != nil {
			t.Fatal(err)
		}
		address := crypto.PubkeyToAddress(key.PublicKey)
		r.keys[address] = key
		r.list = append(r.list, rules.Account{Address: address, Vault: "dev"})
	}
	return r
}

func (r *ring) Accounts() []rules.Account { return r.list }

func (r *ring) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	_, known := r.keys[address]
	return rules.Account{Address: address, Vault: "dev"}, known
}

func (r *ring) Sign(_ context.Context, address common.Address, digest common.Hash) (Signed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return signedBy(r.keys[address], digest)
}

// ethCaller is a caller over HTTP, of the server as it is.
type ethCaller struct {
	t   testing.TB
	url string
}

// newEthCaller serves an account on the listeners.
func newEthCaller(t testing.TB, change func(*Config)) (*ethCaller, *captureRules) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, ignore)
	})
	account, decider := newTestAccount(t, change)
	server, err := NewServer(account, ServerConfig{HTTPAddr: "127.0.0.1:0", Release: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
	})
	return &ethCaller{t, "http://" + server.HTTPAddr()}, decider
}

// reply is what came back, with HTTP status 200.
type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int            `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	} `json:"error"`
}

// code is the error's, 0 if there is none.
func (r *reply) code() int {
	if r.Error == nil {
		return 0
	}
	return r.Error.Code
}

// message is the error's.
func (r *reply) message() string {
	if r.Error == nil {
		return ""
	}
	return r.Error.Message
}

// call sends a request whose parameters are JSON text.
func (w *ethCaller) call(method, params string) *reply {
	w.t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: status %d, %s, %v", method, response.StatusCode, text, err)
	}
	answer := new(reply)
	if err := json.Unmarshal(text, answer); err != nil {
		w.t.Fatalf("%s: %s: %v", method, text, err)
	}
	return answer
}

// result is the result of a call that must succeed.
func (w *ethCaller) result(method, params string, into any) {
	w.t.Helper()
	answer := w.call(method, params)
	if answer.Error != nil {
		w.t.Fatalf("%s: %d %s", method, answer.code(), answer.message())
	}
	if err := json.Unmarshal(answer.Result, into); err != nil {
		w.t.Fatalf("%s: %s: %v", method, answer.Result, err)
	}
}

// forChains makes a signer for some chains.
func forChains(ids ...int64) func(*Config) {
	return func(cfg *Config) {
		cfg.ChainIDs = nil
		for _, id := range ids {
			cfg.ChainIDs = append(cfg.ChainIDs, big.NewInt(id))
		}
	}
}

// signerOf recovers the account of a signature r‖s‖v with the least v.
func signerOf(t testing.TB, digest common.Hash, signature []byte, least byte) common.Address {
	t.Helper()
	if len(signature) != 65 || signature[64] < least || signature[64] > least+1 {
		t.Fatalf("signature %x", signature)
	}
	recoverable := append(append([]byte{}, signature[:64]...), signature[64]-least)
	key, err := crypto.SigToPub(digest[:], recoverable)
	if err != nil {
		t.Fatal(err)
	}
	return crypto.PubkeyToAddress(*key)
}

// senderOf recovers the sender of a transaction of the captures' chain.
func senderOf(t testing.TB, raw []byte) common.Address {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(1337)), tx)
	if err != nil {
		t.Fatal(err)
	}
	return from
}
