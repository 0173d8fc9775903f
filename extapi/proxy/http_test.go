package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// ours are methods that tests have answered by the proxy.
func ours() map[string]Method {
	return map[string]Method{
		"eth_accounts": func(_ context.Context, params json.RawMessage) (any, error) {
			return map[string]any{"ours": params}, nil
		},
		"our_key":   func(ctx context.Context, _ json.RawMessage) (any, error) { return IdempotencyKey(ctx), nil },
		"our_fail":  func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("it failed") },
		"our_code":  func(context.Context, json.RawMessage) (any, error) { return nil, &wireError{code: -5, text: "coded"} },
		"our_data":  func(context.Context, json.RawMessage) (any, error) { return nil, detailed{} },
		"our_crash": func(context.Context, json.RawMessage) (any, error) { panic("secret") },
		"our_chan":  func(context.Context, json.RawMessage) (any, error) { return make(chan int), nil },
		"our_null":  func(context.Context, json.RawMessage) (any, error) { return nil, nil },
		"our_hang": func(ctx context.Context, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}
}

type detailed struct{}

func (detailed) Error() string  { return "detailed" }
func (detailed) ErrorCode() int { return 3 }
func (detailed) ErrorData() any { return "0x08c379a0" }

func TestSingleCalls(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours()})
	for name, c := range map[string]struct {
		body, want string
		passed     bool
	}{
		"passed":         {` {"params":[ 1 ], "jsonrpc":"2.0","method":"eth_x","id":1.0} `, `{"jsonrpc":"2.0","id":1.0,"result":{"node":"eth_x","params":[ 1 ]}}`, true},
		"notification":   {`{"jsonrpc":"2.0","method":"eth_x"}`, ``, true},
		"no version":     {`{"method":"eth_x","id":null}`, `{"jsonrpc":"2.0","id":null,"result":{"node":"eth_x","params":null}}`, true},
		"ours":           {`{"jsonrpc":"2.0","id":"a\u0062","method":"eth_accounts","params":[1, 2]}`, `{"jsonrpc":"2.0","id":"a\u0062","result":{"ours":[1,2]}}`, false},
		"ours, null":     {`{"jsonrpc":"2.0","id":null,"method":"our_null"}`, `{"jsonrpc":"2.0","id":null,"result":null}`, false},
		"ours, failing":  {`{"jsonrpc":"2.0","id":1,"method":"our_fail"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"it failed"}}`, false},
		"ours, code":     {`{"jsonrpc":"2.0","id":1,"method":"our_code"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":"coded"}}`, false},
		"ours, data":     {`{"jsonrpc":"2.0","id":1,"method":"our_data"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"detailed","data":"0x08c379a0"}}`, false},
		"ours, crash":    {`{"jsonrpc":"2.0","id":1,"method":"our_crash"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}`, false},
		"ours, no JSON":  {`{"jsonrpc":"2.0","id":1,"method":"our_chan"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}`, false},
		"ours, notified": {`{"jsonrpc":"2.0","method":"our_fail"}`, ``, false},
		"ours, old":      {`{"id":1,"method":"eth_accounts"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"invalid request"}}`, false},
		"ours, spelled":  {`{"jsonrpc":"2.0","id":1,"method":"eth_Accounts"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method eth_Accounts does not exist/is not available"}}`, false},
		"denied":         {`{"jsonrpc":"2.0","id":1,"method":"admin_peers"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method admin_peers does not exist/is not available"}}`, false},
		"denied, silent": {`{"jsonrpc":"2.0","method":"admin_peers"}`, ``, false},
		"two methods":    {`{"jsonrpc":"2.0","id":1,"method":"eth_x","method":"admin_peers"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"duplicate member \"method\": write it once"}}`, false},
		"no JSON":        {`{`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`, false},
		"empty":          {``, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`, false},
		"empty batch":    {`[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(f.seen())
			if got := post(t, p, c.body); got != c.want {
				t.Errorf("got %s, not %s", got, c.want)
			}
			if seen := f.seen()[before:]; c.passed && (len(seen) != 1 || seen[0] != c.body) || !c.passed && len(seen) != 0 {
				t.Errorf("the node got %q", seen)
			}
		})
	}
}

// TestDeniedHere: what the operator denies is not answered here either.
func TestDeniedHere(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours(), Deny: []string{"eth_ACCOUNTS"}})
	if got := post(t, p, `{"jsonrpc":"2.0","id":1,"method":"eth_accounts"}`); got != `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method eth_accounts does not exist/is not available"}}` {
		t.Errorf("got %s", got)
	}
	if seen := f.seen(); len(seen) > 0 {
		t.Errorf("the node got %q", seen)
	}
}

func TestHeadersOfThePassage(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: strings.Replace(f.http(), "://", "://user:secret@", 1), NodeHeaders: http.Header{"X-Key": {"node's"}}})
	answer := send(t, p, http.MethodPost, `{"id":1,"method":"eth_x"}`, map[string]string{
		"Cookie": "a=b", "Authorization": "Bearer caller", "X-Key": "caller's", "Accept-Encoding": "gzip, br", "Content-Type": "application/json; charset=utf-8",
		"X-Forwarded-For": "1.2.3.4",
	})
	if answer.status != http.StatusOK || answer.header.Get("Set-Cookie") != "" || answer.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %+v", answer)
	}
	got := f.headers[0]
	for name, want := range map[string]string{
		"Cookie": "", "Authorization": "Basic dXNlcjpzZWNyZXQ=", "X-Key": "node's", "Accept-Encoding": "gzip, br",
		"Content-Type": "application/json; charset=utf-8", "X-Forwarded-For": "", "User-Agent": "kvclef",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q", name, got.Get(name))
		}
	}
	send(t, p, http.MethodPost, `{"id":1,"method":"eth_x"}`, nil)
	if encoding := f.headers[1].Get("Accept-Encoding"); encoding != "" {
		t.Errorf("the node was asked for %s", encoding)
	}
}

func TestWhoMayCall(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), VirtualHosts: []string{"proxy.example"}, AllowedOrigins: []string{"https://app.example"}, MaxBody: 100})
	call := `{"id":1,"method":"eth_x"}`
	for name, c := range map[string]struct {
		method string
		body   string
		header map[string]string
		status int
		want   map[string]string
	}{
		"by address":     {"POST", call, nil, 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		"by name":        {"POST", call, map[string]string{"Host": "proxy.example:80"}, 200, nil},
		"other name":     {"POST", call, map[string]string{"Host": "evil.example"}, 403, nil},
		"page":           {"POST", call, map[string]string{"Origin": "https://app.example"}, 200, map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Vary": "Origin", "Access-Control-Expose-Headers": "X-Request-Id"}},
		"other page":     {"POST", call, map[string]string{"Origin": "https://evil.example"}, 403, map[string]string{"Access-Control-Allow-Origin": ""}},
		"preflight":      {"OPTIONS", "", map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}, 204, map[string]string{"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key"}},
		"evil preflight": {"OPTIONS", "", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403, nil},
		"GET":            {"GET", "", nil, 405, map[string]string{"Allow": "POST, OPTIONS"}},
		"PUT":            {"PUT", call, nil, 405, nil},
		"form":           {"POST", call, map[string]string{"Content-Type": "text/plain"}, 415, nil},
		"no type":        {"POST", call, map[string]string{"Content-Type": ""}, 415, nil},
		"encoded":        {"POST", call, map[string]string{"Content-Encoding": "gzip"}, 415, nil},
		"too large":      {"POST", strings.Repeat(" ", 101), nil, 413, nil},
		"other socket":   {"GET", "", map[string]string{"Origin": "https://evil.example", "Connection": "Upgrade", "Upgrade": "websocket"}, 403, nil},
		"keyed socket":   {"GET", "", map[string]string{"Idempotency-Key": "a", "Connection": "Upgrade", "Upgrade": "websocket"}, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			answer := send(t, p, c.method, c.body, c.header)
			if answer.err != nil || answer.status != c.status {
				t.Errorf("got %+v", answer)
			}
			if ids := answer.header.Values(extapi.RequestHeader); len(ids) != 1 || len(ids[0]) != 26 {
				t.Errorf("the answer names the request %q", ids)
			}
			for name, want := range c.want {
				if got := strings.Join(answer.header.Values(name), ","); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

func TestIdempotencyKeyOfCalls(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours()})
	mine := `{"jsonrpc":"2.0","id":1,"method":"our_key"}`
	other := `{"jsonrpc":"2.0","id":2,"method":"eth_x"}`
	refused := `"code":-32600,"message":"header Idempotency-Key must be`
	for name, c := range map[string]struct{ key, body, want string }{
		"one":            {"k 1", mine, `"result":"k 1"`},
		"none":           {"", mine, `"result":""`},
		"bad":            {"é", mine, refused},
		"bad, mixed":     {"é", "[" + mine + "," + other + "]", refused},
		"bad, passed":    {"é", other, `"node":"eth_x"`},
		"mixed":          {"k", "[" + mine + "," + other + "]", `"result":"k"`},
		"several":        {"k", "[" + mine + "," + mine + "]", `is for one call`},
		"several passed": {"k", "[" + other + "," + other + "]", `"node":"eth_x"`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := send(t, p, http.MethodPost, c.body, map[string]string{"X-Idempotency-Key": c.key})
			if answer.status != 200 || !strings.Contains(answer.body, c.want) {
				t.Errorf("got %+v", answer)
			}
		})
	}
}

// TestSlowBody: a caller has ReadTimeout for its body, and none of it counts
// for the call.
func TestSlowBody(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), ReadTimeout: time.Second, Methods: map[string]Method{
		"our_long": func(ctx context.Context, _ json.RawMessage) (any, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(1500 * time.Millisecond):
				return "done", nil
			}
		},
	}})
	if got := post(t, p, `{"jsonrpc":"2.0","id":1,"method":"our_long"}`); !strings.Contains(got, `"done"`) {
		t.Errorf("got %s", got)
	}
	for _, length := range []string{"Content-Length: 50", "Transfer-Encoding: chunked"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n5\r\n{", length)
		text, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 408 ") {
			t.Errorf("%s: got %s, %v", length, text, err)
		}
	}
}
