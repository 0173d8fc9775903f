package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// dial opens a WebSocket to a proxy.
func dial(tb testing.TB, p *Proxy, header http.Header) *websocket.Conn {
	tb.Helper()
	conn, answer, err := websocket.DefaultDialer.DialContext(tb.Context(), "ws://"+p.Addr(), header)
	if err != nil {
		tb.Fatal(err, answer)
	}
	tb.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func tell(tb testing.TB, conn *websocket.Conn, text string) {
	tb.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		tb.Fatal(err)
	}
}

// hear returns the next message, without the ids of requests in errors.
func hear(tb testing.TB, conn *websocket.Conn) string {
	tb.Helper()
	return unnamed(hearWhole(tb, conn))
}

func hearWhole(tb testing.TB, conn *websocket.Conn) string {
	tb.Helper()
	_, text, err := conn.ReadMessage()
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// closing returns the code that a connection ends with.
func closing(tb testing.TB, conn *websocket.Conn) int {
	tb.Helper()
	for {
		_, text, err := conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case err != nil:
			tb.Fatalf("ended with %v", err)
		default:
			tb.Errorf("got %s", text)
		}
	}
}

// configs are the ways of WebSocket clients to the node.
func configs(f *fake) map[string]Config {
	return map[string]Config{
		"http":    {Node: f.http()},
		"http+ws": {Node: f.http(), NodeWS: f.ws()},
		"ws":      {Node: f.ws()},
		"ipc":     {Node: f.path()},
	}
}

func TestWebSocketCalls(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		t.Run(way, func(t *testing.T) { webSocketCalls(t, f, way, cfg) })
	}
}

func webSocketCalls(t *testing.T, f *fake, way string, cfg Config) {
	cfg.Methods = ours()
	p := started(t, cfg)
	conn := dial(t, p, nil)
	for name, c := range map[string]struct {
		body, want string
		passed     bool
	}{
		"passed":     {` {"params":[ 1 ],"method":"eth_x","id":1.0} `, `{"jsonrpc":"2.0","id":1.0,"result":{"node":"eth_x","params":[ 1 ]}}`, true},
		"batch":      {`[{"id":1,"method":"a"},{"id":1,"method":"b"}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":1,"result":{"node":"b","params":null}}]`, true},
		"ours":       {`{"jsonrpc":"2.0","id":"a","method":"eth_accounts"}`, `{"jsonrpc":"2.0","id":"a","result":{"ours":null}}`, false},
		"mixed":      {`[{"id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"our_null"}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":2,"result":null}]`, false},
		"mixed push": {`[{"id":1,"method":"eth_subscribe"},{"jsonrpc":"2.0","id":2,"method":"our_null"}]`, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"a subscription needs a WebSocket connection, and a message of its own"}},{"jsonrpc":"2.0","id":2,"result":null}]`, false},
		"denied":     {`{"id":1,"method":"debug_x"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method debug_x does not exist/is not available"}}`, false},
		"no JSON":    {`{`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(f.seen())
			tell(t, conn, c.body)
			if got := hear(t, conn); got != c.want {
				t.Errorf("got %s, not %s", got, c.want)
			}
			if seen := f.seen()[before:]; c.passed && (len(seen) != 1 || way == "ipc" && strings.TrimSpace(c.body) != seen[0] || way != "ipc" && seen[0] != c.body) {
				t.Errorf("the node got %q", seen)
			}
		})
	}
	t.Run("notifications", func(t *testing.T) {
		tell(t, conn, `{"method":"eth_note"}`)
		tell(t, conn, `{"jsonrpc":"2.0","method":"our_null"}`)
		tell(t, conn, `[{"method":"eth_note"},{"jsonrpc":"2.0","method":"our_null"}]`)
		tell(t, conn, `{"id":5,"method":"eth_x"}`)
		if got := hear(t, conn); !strings.Contains(got, `"id":5`) {
			t.Errorf("got %s", got)
		}
	})
}

// TestSubscriptionsFlow: notifications come in order while calls are answered
// here.
func TestSubscriptionsFlow(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		if way == "http" {
			continue
		}
		t.Run(way, func(t *testing.T) {
			cfg.Methods = ours()
			conn := dial(t, started(t, cfg), nil)
			tell(t, conn, `{"id":1,"method":"fake_push","params":[2000]}`)
			for i := range 100 {
				tell(t, conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_accounts"}`, 1000+i))
			}
			next, mine, done := 0, make(map[string]int), false
			for !done || len(mine) < 100 {
				text := hear(t, conn)
				switch {
				case strings.Contains(text, "eth_subscription"):
					if !strings.HasSuffix(text, fmt.Sprintf(`"result":%d}}`, next)) {
						t.Fatalf("got %s, not number %d", text, next)
					}
					next++
				case strings.Contains(text, "ours"):
					mine[text]++
					if mine[text] > 1 {
						t.Fatalf("got %s twice", text)
					}
				default:
					done = strings.Contains(text, `"id":1,`)
				}
			}
			if next != 2000 {
				t.Errorf("%d notifications", next)
			}
		})
	}
}

func TestUpstreamDropEndsTheConnection(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		if way == "http" {
			continue
		}
		t.Run(way, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			finish := make(chan struct{})
			cfg.Methods = map[string]Method{"our_slow": func(context.Context, json.RawMessage) (any, error) {
				asked <- struct{}{}
				<-finish
				return "done", nil
			}}
			conn := dial(t, started(t, cfg), nil)
			tell(t, conn, `{"id":0,"method":"eth_x"}`)
			hear(t, conn)
			tell(t, conn, `{"id":1,"method":"fake_hang"}`)
			tell(t, conn, `[{"id":"2","method":"fake_hang"},{"id":3,"method":"b"}]`)
			tell(t, conn, `{"jsonrpc":"2.0","id":4,"method":"our_slow"}`)
			<-asked
			tell(t, conn, `{"id":5,"method":"fake_cut"}`)
			var got []string
			for range 3 {
				got = append(got, hear(t, conn))
			}
			close(finish)
			got = append(got, hear(t, conn))
			cut := `"error":{"code":-32000,"message":"the node closed the connection before its answer was complete"}}`
			for _, want := range []string{
				`{"jsonrpc":"2.0","id":1,` + cut, `[{"jsonrpc":"2.0","id":"2",` + cut + `,{"jsonrpc":"2.0","id":3,` + cut + `]`,
				`{"jsonrpc":"2.0","id":5,` + cut, `{"jsonrpc":"2.0","id":4,"result":"done"}`,
			} {
				if n := strings.Count(strings.Join(got, "\n"), want); n != 1 {
					t.Errorf("%s came %d times: %q", want, n, got)
				}
			}
			if code := closing(t, conn); code != websocket.CloseServiceRestart {
				t.Errorf("ended with %d", code)
			}
		})
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	f := newFake(t)
	for _, method := range []string{"fake_garbage", "fake_number"} {
		t.Run(method, func(t *testing.T) {
			conn := dial(t, started(t, Config{Node: f.ws()}), nil)
			tell(t, conn, `{"id":1,"method":"`+method+`"}`)
			if got := hear(t, conn); got != `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node's answer is not JSON-RPC"}}` {
				t.Errorf("got %s", got)
			}
			if code := closing(t, conn); code != websocket.CloseInternalServerErr {
				t.Errorf("ended with %d", code)
			}
		})
	}
}

func TestNodeDownForWebSocket(t *testing.T) {
	for _, node := range []string{"ws://127.0.0.1:1", "http://127.0.0.1:1", "/nowhere/geth.ipc"} {
		t.Run(node, func(t *testing.T) {
			conn := dial(t, started(t, Config{Node: node, Methods: ours()}), nil)
			for range 2 {
				tell(t, conn, `{"id":1,"method":"a"}`)
				if got := hear(t, conn); got != `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node can't be reached"}}` {
					t.Errorf("got %s", got)
				}
				tell(t, conn, `{"jsonrpc":"2.0","id":2,"method":"our_null"}`)
				if got := hear(t, conn); got != `{"jsonrpc":"2.0","id":2,"result":null}` {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}

// TestSlowCallIsAnsweredOnce: a late answer is dropped, and the connection goes
// on.
func TestSlowCallIsAnsweredOnce(t *testing.T) {
	for _, way := range []string{"http", "http+ws", "ws", "ipc"} {
		t.Run(way, func(t *testing.T) {
			f := newFake(t)
			cfg := configs(f)[way]
			cfg.NodeTimeout = time.Second
			conn := dial(t, started(t, cfg), nil)
			tell(t, conn, `{"id":1,"method":"fake_late"}`)
			tell(t, conn, `[{"id":2,"method":"fake_late"}]`)
			got := hear(t, conn) + hear(t, conn)
			for _, want := range []string{`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node did not answer in time"}}`, `[{"jsonrpc":"2.0","id":2,"error":`} {
				if !strings.Contains(got, want) {
					t.Errorf("got %s", got)
				}
			}
			close(f.gate)
			tell(t, conn, `{"id":3,"method":"a"}`)
			if got := hear(t, conn); !strings.Contains(got, `"id":3`) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestLargeMessagesOverWebSocket(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		for _, method := range []string{"fake_big", "fake_bigTail"} {
			t.Run(way+" "+method, func(t *testing.T) {
				cfg.MaxInFlight = 1 // an answer that isn't recognised stops everything
				conn := dial(t, started(t, cfg), nil)
				for i := range 3 {
					tell(t, conn, fmt.Sprintf(`{"id":%d,"method":%q,"params":[3000000]}`, i, method))
					var m wireMessage
					if err := json.Unmarshal([]byte(hear(t, conn)), &m); err != nil || len(m.Result) != 3000002 || string(m.ID) != fmt.Sprint(i) {
						t.Fatal(err, len(m.Result), m.ID)
					}
				}
				long := strings.Repeat("x", 1<<20)
				tell(t, conn, `{"id":1,"method":"a","params":["`+long+`"]}`)
				if got := hear(t, conn); !strings.Contains(got, long) {
					t.Errorf("got %d bytes", len(got))
				}
			})
		}
	}
}
