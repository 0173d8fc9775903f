package wallet_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy"
	"github.com/kvclef/kvclef/extapi/proxy/wallet"
	"github.com/kvclef/kvclef/rules"
)

// crowd has many accounts, and allows and records everything.
type crowd struct{ accounts []rules.Account }

func (c crowd) Accounts() []rules.Account { return c.accounts }

func (crowd) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	return rules.Account{Address: address}, true
}

func (crowd) Sign(context.Context, common.Address, common.Hash) (extapi.Signed, error) {
	panic("nothing is to be signed")
}

func (crowd) Decide(context.Context, *rules.Request) (rules.Decision, error) {
	return rules.Decision{Verdict: rules.Approve}, nil
}

func (crowd) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error { return nil }

func (crowd) Append(context.Context, audit.Entry) error { return nil }

// TestListingsAreBounded: in front of a node the listings of a request have no more memory
// than all listeners have for answers together, less what is to be left for others, and what
// is answered is given back.
func TestListingsAreBounded(t *testing.T) {
	const many = 20_000
	var all crowd
	for i := range many {
		var address common.Address
		binary.BigEndian.PutUint64(address[:], uint64(i))
		all.accounts = append(all.accounts, rules.Account{Address: address})
	}
	account, err := extapi.NewAccount(extapi.Config{Decider: all, Signer: all, Auditor: all, ChainIDs: []*big.Int{big.NewInt(1337)}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.New(proxy.Config{
		Node: "http://127.0.0.1:1", Addr: "127.0.0.1:0", Methods: wallet.Methods(wallet.Config{Signatory: extapi.NewSignatory(account)}),
		Answers: extapi.NewAnswerRoom(1_000_000), // four times that is four listings of 900,000 bytes
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_accounts"}`
	batch := "[" + strings.Repeat(call+",", 9) + call + "]"
	byPost := func() string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr(), strings.NewReader(batch))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	conn, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+p.Addr(), nil)
	if err != nil {
		t.Fatal(err, answer)
	}
	defer conn.Close()
	bySocket := func() string {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(batch)); err != nil {
			t.Fatal(err)
		}
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for range 3 {
		wantListings(t, byPost)
		wantListings(t, bySocket)
	}
}

// wantListings checks the answer to ten listings. The room of the answer before may be given
// back only after that was read.
func wantListings(t *testing.T, ask func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		answer := ask()
		listed, refused := strings.Count(answer, `"result":["0x`), strings.Count(answer, `"code":-32005`)
		if listed == 2 && refused == 8 {
			return
		}
		if listed > 2 || listed+refused != 10 || time.Now().After(deadline) {
			t.Fatalf("%d listings and %d refusals, want 2 and 8: %.300s", listed, refused, answer)
		}
	}
}
