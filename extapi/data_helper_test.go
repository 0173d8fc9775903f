package extapi

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// dataKey is go-ethereum's public test key, with which the captures were made.
const dataKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

// dataSigner signs with one key in process.
type dataSigner struct {
	key     *ecdsa.PrivateKey
	account rules.Account
}

func newDataSigner(t testing.TB) *dataSigner {
	t.Helper()
	key, err := crypto.HexToECDSA(dataKey)
	if err != nil {
		t.Fatal(err)
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	return &dataSigner{key: key, account: rules.Account{Address: address, Vault: "prod", Key: "treasury", Version: "1"}}
}

func (s *dataSigner) Accounts() []rules.Account { return []rules.Account{s.account} }

func (s *dataSigner) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	return s.account, address == s.account.Address
}

func (s *dataSigner) Sign(_ context.Context, _ common.Address, digest common.Hash) (signature [65]byte, err error) {
	made, err := crypto.Sign(digest[:], s.key)
	copy(signature[:], made)
	return signature, err
}

// recorder approves every request, but text that contains "reject me", and
// keeps what it saw.
type recorder struct {
	mu   sync.Mutex
	seen []*rules.Request
}

func (r *recorder) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req)
	if strings.Contains(string(req.Preimage), "reject me") {
		return rules.Decision{Verdict: rules.Reject}, nil
	}
	return rules.Decision{Verdict: rules.Approve}, nil
}

func (r *recorder) Settle(context.Context, *rules.Request, rules.Decision, rules.Outcome) error {
	return nil
}

// last returns the request that was decided last.
func (r *recorder) last(t testing.TB) *rules.Request {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) == 0 {
		t.Fatal("nothing was put to rules")
	}
	return r.seen[len(r.seen)-1]
}

// count returns how many requests were decided.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// dataServer is the account namespace behind a real JSON-RPC connection.
type dataServer struct {
	rules  *recorder
	client *rpc.Client
}

func newDataServer(t testing.TB, chainIDs ...int64) *dataServer {
	t.Helper()
	if len(chainIDs) == 0 {
		chainIDs = []int64{1337}
	}
	ids := make([]*big.Int, len(chainIDs))
	for i, id := range chainIDs {
		ids[i] = big.NewInt(id)
	}
	recorder := &recorder{}
	account, err := NewAccount(Config{Decider: recorder, Signer: newDataSigner(t), ChainIDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer()
	if err := server.RegisterName("account", account); err != nil {
		t.Fatal(err)
	}
	client := rpc.DialInProc(server)
	t.Cleanup(func() { client.Close(); server.Stop() })
	return &dataServer{rules: recorder, client: client}
}

// call sends a request whose parameters are given as JSON texts.
func (s *dataServer) call(method string, params ...string) (result json.RawMessage, err error) {
	args := make([]any, len(params))
	for i, param := range params {
		args[i] = json.RawMessage(param)
	}
	err = s.client.CallContext(context.Background(), &result, method, args...)
	return result, err
}

// dataCapture is one exchange with Clef v1.17.3.
type dataCapture struct {
	Name    string
	Request struct {
		Method string
		Params []json.RawMessage
	}
	Response struct {
		Result json.RawMessage
		Error  *struct {
			Code    int
			Message string
		}
	}
}

// dataCaptures returns the captured exchanges of a method by name.
func dataCaptures(t testing.TB, method string) map[string]dataCapture {
	t.Helper()
	text, err := os.ReadFile("testdata/clef-captures.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]dataCapture{}
	for line := range strings.Lines(string(text)) {
		var c dataCapture
		if json.Unmarshal([]byte(line), &c) == nil && c.Request.Method == method {
			found[c.Name] = c
		}
	}
	if len(found) == 0 {
		t.Fatalf("no captures of %s", method)
	}
	return found
}

// wantError fails unless err has a text.
func wantError(t testing.TB, err error, text string) {
	t.Helper()
	if err == nil || err.Error() != text {
		t.Fatalf("got error %v, want %q", err, text)
	}
}

// wantSignedBy fails unless result is a signature r‖s‖v of digest by the test
// key, with v from the given base.
func wantSignedBy(t testing.TB, result json.RawMessage, digest common.Hash, base byte) {
	t.Helper()
	var text string
	if err := json.Unmarshal(result, &text); err != nil {
		t.Fatalf("result %s: %v", result, err)
	}
	signature := common.FromHex(text)
	if len(signature) != 65 || signature[64]-base > 1 {
		t.Fatalf("signature %s has not the form r‖s‖v with v from %d", text, base)
	}
	signature[64] -= base
	key, err := crypto.SigToPub(digest[:], signature)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := crypto.PubkeyToAddress(*key), newDataSigner(t).account.Address; got != want {
		t.Fatalf("signature is by %v, want %v", got, want)
	}
}
