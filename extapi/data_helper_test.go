package extapi

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// testAccount is the captures' signer as a JSON parameter.
const testAccount = `"` + testAddress + `"`

// dataServer is the account namespace behind a real JSON-RPC connection.
type dataServer struct {
	rules  *captureRules
	client *rpc.Client
}

func newDataServer(t testing.TB, chainIDs ...int64) *dataServer {
	t.Helper()
	account, decider := newTestAccount(t, func(cfg *Config) {
		for i, id := range chainIDs {
			if i == 0 {
				cfg.ChainIDs = nil
			}
			cfg.ChainIDs = append(cfg.ChainIDs, big.NewInt(id))
		}
	})
	server := rpc.NewServer()
	if err := server.RegisterName("account", account); err != nil {
		t.Fatal(err)
	}
	client := rpc.DialInProc(server)
	t.Cleanup(func() { client.Close(); server.Stop() })
	return &dataServer{rules: decider, client: client}
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

// dataCall is the request and the answer of a capture.
type dataCall struct {
	Request struct {
		Method string
		Params []json.RawMessage
	}
	Response struct{ Result json.RawMessage }
}

// dataCaptures returns the captured calls of a method by name.
func dataCaptures(t testing.TB, method string) map[string]dataCall {
	t.Helper()
	found := map[string]dataCall{}
	for _, c := range readCaptures(t) {
		var call dataCall
		if json.Unmarshal(c.Request, &call.Request) != nil || call.Request.Method != method {
			continue
		}
		if json.Unmarshal(c.Response, &call.Response) == nil {
			found[c.Name] = call
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
	if got, want := crypto.PubkeyToAddress(*key), common.HexToAddress(testAddress); got != want {
		t.Fatalf("signature is by %v, want %v", got, want)
	}
}
