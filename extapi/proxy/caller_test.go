package proxy

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// witness is a decider that remembers who asked, and all else that an account
// needs.
type witness struct {
	mu   sync.Mutex
	last rules.Request
}

func (w *witness) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = *req
	return rules.Decision{Verdict: rules.Reject}, nil
}

func (*witness) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}
func (*witness) Append(context.Context, audit.Entry) error { return nil }
func (*witness) Accounts() []rules.Account                 { return nil }
func (*witness) Find(context.Context, common.Address) (rules.Account, bool) {
	return rules.Account{}, false
}

func (*witness) Sign(context.Context, common.Address, common.Hash) (extapi.Signed, error) {
	return extapi.Signed{}, nil
}

func (w *witness) request() rules.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// agents takes the name that a client gives itself for a proof.
type agents struct{}

func (agents) Identify(_ context.Context, header http.Header) (string, time.Time, error) {
	return header.Get("User-Agent") + "!", time.Time{}, nil
}

// TestMethodsKnowTheCaller asks the signer through the proxy and looks at who
// asked it.
func TestMethodsKnowTheCaller(t *testing.T) {
	f := newFake(t)
	w := new(witness)
	account, err := extapi.NewAccount(extapi.Config{Decider: w, Signer: w, Auditor: w, ChainIDs: []*big.Int{big.NewInt(1337)}})
	if err != nil {
		t.Fatal(err)
	}
	signatory := extapi.NewSignatory(account)
	cfg := Config{Node: f.http(), AllowedOrigins: []string{"https://app.example"}, Methods: map[string]Method{
		"eth_accounts": func(ctx context.Context, _ json.RawMessage) (any, error) {
			return signatory.Accounts(ctx, "eth_accounts")
		},
	}}
	call := `{"jsonrpc":"2.0","id":1,"method":"eth_accounts"}`
	check := func(t *testing.T, answer, transport, principal, local string) {
		t.Helper()
		req := w.request()
		if answer != `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"request denied","data":{"request":"`+req.ID+`"}}}` {
			t.Errorf("got %s of %s", answer, req.ID)
		}
		if req.Principal != principal || !strings.HasPrefix(req.Caller.Remote, "127.0.0.1:") {
			t.Errorf("%q asked, from %s", req.Principal, req.Caller.Remote)
		}
		req.Caller.Remote = ""
		if req.Caller != (rules.Caller{Transport: transport, Local: local, UserAgent: "tester", Origin: "https://app.example"}) {
			t.Errorf("asked by %+v", req.Caller)
		}
	}
	said := map[string]string{"User-Agent": "tester", "Origin": "https://app.example", "X-Forwarded-For": "10.0.0.1", "X-Principal": "local"}
	header := make(http.Header)
	for name, value := range said {
		header.Set(name, value)
	}
	for principal, of := range map[string]extapi.Tokens{"anonymous": nil, "tester!": agents{}} {
		t.Run(principal, func(t *testing.T) {
			cfg.Callers.Tokens = of
			p := started(t, cfg)
			check(t, send(t, p, http.MethodPost, call, said).whole, "http", principal, p.Addr())
			batch := send(t, p, http.MethodPost, "["+call+"]", said).whole
			check(t, strings.Trim(batch, "[]"), "http", principal, p.Addr())
			conn := dial(t, p, header)
			if err := conn.WriteMessage(websocket.TextMessage, []byte(call)); err != nil {
				t.Fatal(err)
			}
			check(t, hearWhole(t, conn), "ws", principal, p.Addr())
		})
	}
}
