package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
)

// cards takes a token for the name of its sender, for as long as it counts.
type cards struct{ lasts time.Duration }

func (c cards) Identify(_ context.Context, header http.Header) (string, time.Time, error) {
	name, found := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !found {
		return "", time.Time{}, errors.New("no bearer token")
	}
	return name, time.Now().Add(c.lasts), nil
}

// TestWebSocketsEndWithTheToken: a client who says nothing is not kept beyond it.
func TestWebSocketsEndWithTheToken(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{Tokens: cards{300 * time.Millisecond}}, PingInterval: time.Hour})
	conn := dial(t, p, http.Header{"Authorization": {"Bearer batcher"}})
	tell(t, conn, whoCall)
	if got := hear(t, conn); got != answerOf("batcher") {
		t.Error(got)
	}
	wantGoodbye(t, conn, "the token has expired")
}

// TestWhoWaitsIsToldWhyItEnds: a client that has not hung up is told why there is no answer
// of the node, and not that it did.
func TestWhoWaitsIsToldWhyItEnds(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), Callers: extapi.Callers{Tokens: cards{time.Second}}, PingInterval: time.Hour})
	conn := dial(t, p, http.Header{"Authorization": {"Bearer batcher"}})
	tell(t, conn, `{"id":7,"method":"fake_hang"}`)
	<-f.hung
	if got := hearWhole(t, conn); !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"the connection is closed: the token has expired","data":{"request":"`) {
		t.Error(got)
	}
	wantGoodbye(t, conn, "the token has expired")
}

// TestTokensAreAskedFor: everything on the listener needs one but the question of a
// browser whether a page may call, and the node never sees it.
func TestTokensAreAskedFor(t *testing.T) {
	f := newFake(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	p := started(t, Config{
		Node: f.http(), Methods: whoami(), Callers: extapi.Callers{Tokens: cards{time.Hour}}, AllowedOrigins: []string{"https://app.example"},
		Pages: func(r *http.Request) http.Handler {
			if r.Method == http.MethodGet && !websocket.IsWebSocketUpgrade(r) {
				return page
			}
			return nil
		},
	})
	asks := map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
	for name, c := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"call":                 {http.MethodPost, nil, 401},
		"call with lies":       {http.MethodPost, map[string]string{"X-Forwarded-User": "root", "X-Real-IP": "127.0.0.1", "Cookie": "Authorization=Bearer root"}, 401},
		"page":                 {http.MethodGet, nil, 401},
		"socket":               {http.MethodGet, map[string]string{"Connection": "Upgrade", "Upgrade": "websocket"}, 401},
		"options":              {http.MethodOptions, nil, 401},
		"question":             {http.MethodOptions, asks, 204},
		"question of others":   {http.MethodOptions, map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403},
		"call that is no such": {http.MethodPost, asks, 401},
		"page with a token":    {http.MethodGet, map[string]string{"Authorization": "Bearer batcher"}, 200},
	} {
		got := send(t, p, c.method, whoCall, c.header)
		if got.err != nil || got.status != c.status || c.status == 401 && (got.body != "invalid token\n" || got.header.Get("WWW-Authenticate") == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
