package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
)

func asking(name string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + name}
}

// TestWebSocketsAreLeftForOthers: one caller can't have all of them.
func TestWebSocketsAreLeftForOthers(t *testing.T) {
	p := started(t, Config{Node: newFake(t).http(), Methods: whoami(), Callers: extapi.Callers{Tokens: cards{time.Hour}}, MaxWebSockets: 8})
	open := func(name string) (*websocket.Conn, int) {
		conn, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+p.Addr(), http.Header{"Authorization": {"Bearer " + name}})
		if err != nil {
			return nil, answer.StatusCode
		}
		t.Cleanup(func() { conn.Close() })
		return conn, answer.StatusCode
	}
	for n := 1; ; n++ {
		conn, status := open("mallory")
		if conn != nil && n <= 4 {
			continue
		}
		if conn != nil || n != 5 || status != http.StatusServiceUnavailable {
			t.Fatalf("connection %d: %v, %d", n, conn != nil, status)
		}
		break
	}
	conn, status := open("payments")
	if conn == nil {
		t.Fatalf("another caller gets none: %d", status)
	}
	tell(t, conn, whoCall)
	if got := hear(t, conn); got != answerOf("payments") {
		t.Error(got)
	}
}

// TestNodeCallsAreLeftForOthers: one caller can't have all connections to the node, and who
// hangs up gives them back.
func TestNodeCallsAreLeftForOthers(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Callers: extapi.Callers{Tokens: cards{time.Hour}}, MaxNodeCalls: 8, NodeTimeout: 2 * time.Second})
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for range 2 {
		go func() {
			sendContext(ctx, t, p, http.MethodPost, `{"id":7,"method":"fake_hang"}`, asking("mallory"))
			ended <- struct{}{}
		}()
		<-f.hung
	}
	const call = `{"id":1,"method":"a"}`
	third := make(chan answered)
	go func() { third <- send(t, p, http.MethodPost, call, asking("mallory")) }()
	for range 3 {
		if got := send(t, p, http.MethodPost, call, asking("payments")); !strings.Contains(got.body, `"node":"a"`) {
			t.Errorf("another caller: %s", got.body)
		}
	}
	got := <-third
	if unnamed(got.body) != `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"too many calls to the node are under way, of this caller or of all together: try again later"}}` {
		t.Errorf("a third: %s", got.body)
	}
	hangUp()
	for range 2 {
		<-ended
	}
	for range 9 { // what was refused and what was answered was given back as well
		if got = send(t, p, http.MethodPost, call, asking("mallory")); !strings.Contains(got.body, `"node":"a"`) {
			t.Errorf("afterwards: %s", got.body)
		}
	}
}

// TestMessagesWeigh: of large messages on a WebSocket fewer are answered at the same time, so
// that memory doesn't grow by 64 of them.
func TestMessagesWeigh(t *testing.T) {
	for _, c := range []struct{ slots, bytes, want int }{
		{64, 60_000, 8}, {64, 8_000, 20}, {2, 60_000, 1}, {64, 200_000, 4},
	} {
		var now, most, calls atomic.Int32
		more := make(chan struct{})
		p := started(t, Config{Node: newFake(t).http(), MaxInFlight: c.slots, Methods: map[string]Method{
			"our_wait": func(context.Context, json.RawMessage) (any, error) {
				defer now.Add(-1)
				n := now.Add(1)
				for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
				}
				if int(calls.Add(1)) == c.want {
					time.AfterFunc(100*time.Millisecond, func() { close(more) }) // for one too many
				}
				<-more
				return nil, nil
			},
		}})
		conn := dial(t, p, nil)
		const messages = 20
		call := `{"jsonrpc":"2.0","id":1,"method":"our_wait","params":["` + strings.Repeat("x", c.bytes) + `"]}`
		go func() {
			for range messages {
				if conn.WriteMessage(websocket.TextMessage, []byte(call)) != nil {
					return
				}
			}
		}()
		for range messages {
			hear(t, conn)
		}
		if got := int(most.Load()); got != c.want {
			t.Errorf("%d slots, messages of %d bytes: %d at the same time, want %d", c.slots, c.bytes, got, c.want)
		}
	}
}
