package proxy

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// freeAddr returns an address on which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestLoop: a proxy whose node is itself, or another one that leads back to it, says
// so at once.
func TestLoop(t *testing.T) {
	for _, way := range []string{"http http", "ws ws", "http ws", "ws http"} {
		t.Run(way, func(t *testing.T) {
			there, back, _ := strings.Cut(way, " ")
			first := freeAddr(t)
			second := started(t, Config{Node: back + "://" + first, NodeLinks: 1})
			p := startedAt(t, first, Config{Node: there + "://" + second.Addr(), NodeLinks: 1})
			loops(t, p)
		})
	}
	for _, scheme := range []string{"http", "ws"} {
		t.Run(scheme+" to itself", func(t *testing.T) {
			addr := freeAddr(t)
			loops(t, startedAt(t, addr, Config{Node: scheme + "://" + addr, NodeLinks: 1}))
		})
	}
}

// loops wants an error to each call.
func loops(t *testing.T, p *Proxy) {
	t.Helper()
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":1,"method":"a"}`)
	const want = `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node `
	for _, got := range []string{post(t, p, `{"id":1,"method":"a"}`), hear(t, conn)} {
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
	}
}

// TestProxiesInARow: they may be several, as long as none comes twice.
func TestProxiesInARow(t *testing.T) {
	f := newFake(t)
	addr := freeAddr(t)
	var first []*Proxy
	for _, scheme := range []string{"http://", "ws://"} {
		first = append(first, started(t, Config{Node: scheme + addr}))
	}
	last := startedAt(t, addr, Config{Node: f.http(), NodeWS: f.ws()})
	for _, p := range first {
		if got := post(t, p, `{"id":1,"method":"a"}`); !strings.Contains(got, `"node":"a"`) {
			t.Errorf("got %s", got)
		}
	}
	for header, want := range map[string]int{"x": 200, strings.Repeat("x", maxTrail+1): 508, last.trail: 508, "a, " + last.trail: 508} {
		if got := send(t, last, http.MethodPost, `{"id":1,"method":"a"}`, map[string]string{trailHeader: header}); got.status != want {
			t.Errorf("%s: got %+v", header, got)
		}
		_, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+last.Addr(), http.Header{trailHeader: {header}})
		if (err == nil) != (want == 200) || err != nil && answer.StatusCode != want {
			t.Errorf("%s: got %v", header, err)
		}
	}
}
