package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/url"
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

// TestProxySettingIsNotTold: HTTP_PROXY and its like may hold a password.
func TestProxySettingIsNotTold(t *testing.T) {
	find := throughProxy(func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://user:secret@a b"`)
	})
	if _, err := find(nil); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("got %v", err)
	}
	through := &url.URL{Host: "a"}
	find = throughProxy(func(*http.Request) (*url.URL, error) { return through, nil })
	if got, err := find(nil); got != through || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestSocketVanishes: each call says so, until there is one again.
func TestSocketVanishes(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.path()})
	const call, answer = `{"id":1,"method":"a"}`, `"node":"a"`
	if got := post(t, p, call); !strings.Contains(got, answer) {
		t.Fatalf("got %s", got)
	}
	conn := dial(t, p, nil)
	tell(t, conn, call)
	hear(t, conn)
	path := f.path()
	f.ipc.Close()
	f.dropAll()
	if code := closing(t, conn); code != websocket.CloseServiceRestart {
		t.Errorf("ended with %d", code)
	}
	for range 2 * p.cfg.NodeLinks {
		if got := post(t, p, call); !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node `) || strings.Contains(got, path) {
			t.Errorf("got %s", got)
		}
	}
	f.wg.Wait()
	var err error
	if f.ipc, err = new(net.ListenConfig).Listen(t.Context(), "unix", path); err != nil {
		t.Fatal(err)
	}
	f.wg.Go(f.accept)
	defer func() {
		f.ipc.Close()
		f.dropAll()
		f.wg.Wait()
	}()
	conn = dial(t, p, nil)
	tell(t, conn, call)
	for _, got := range []string{post(t, p, call), hear(t, conn)} {
		if !strings.Contains(got, answer) {
			t.Errorf("got %s", got)
		}
	}
}
