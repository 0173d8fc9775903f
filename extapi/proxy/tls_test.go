package proxy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

// TestTLSNamesTheCaller calls over HTTPS and WSS, the proxy itself and one that is
// mounted on it.
func TestTLSNamesTheCaller(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	keeper := g.keeper()
	mounted, err := New(Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{TLS: keeper}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := mounted.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	p := started(t, Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{TLS: keeper}, Pages: func(r *http.Request) http.Handler {
		switch r.URL.Path {
		case "/services/1":
			return mounted
		case "/page":
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(extapi.PrincipalOf(r.Context()))) })
		}
		return nil
	}})
	for _, name := range []string{"payments.example", "treasury.example"} {
		client := g.client(p, g.callers, named(name))
		for _, path := range []string{"", "/services/1"} {
			if status, body, err := client.post(path, whoCall); err != nil || status != 200 || body != answerOf(name) {
				t.Errorf("POST %s: %d %s, %v", path, status, body, err)
			}
			if status, body, err := client.post(path, "["+whoCall+`,{"id":2,"method":"eth_x"}]`); err != nil || status != 200 ||
				!strings.HasPrefix(body, "["+answerOf(name)) || !strings.Contains(body, `"node":"eth_x"`) {
				t.Errorf("batch %s: %d %s, %v", path, status, body, err)
			}
			conn := client.mustOpen(path)
			tell(t, conn, whoCall)
			if got := hear(t, conn); got != answerOf(name) {
				t.Errorf("WSS %s: %s", path, got)
			}
		}
		if status, body, err := client.post("/page", ""); err != nil || status != 200 || body != name {
			t.Errorf("page: %d %s, %v", status, body, err)
		}
	}
}

// TestTLSWithoutNames: without authorities of callers everybody is anonymous,
// whatever certificate is there.
func TestTLSWithoutNames(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	g.cfg.ClientCAFile = ""
	p := started(t, Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{TLS: g.keeper()}})
	for _, ca := range []*tlstest.CA{nil, g.callers} {
		client := g.client(p, ca, named("payments.example"))
		if status, body, err := client.post("", whoCall); err != nil || status != 200 || body != answerOf("anonymous") {
			t.Errorf("%d %s, %v", status, body, err)
		}
		conn := client.mustOpen("")
		tell(t, conn, whoCall)
		if got := hear(t, conn); got != answerOf("anonymous") {
			t.Error(got)
		}
	}
}

// TestTLSStrangersReachNothing: neither what is answered here nor the node.
func TestTLSStrangersReachNothing(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	p := started(t, Config{Node: f.http(), NodeWS: f.ws(), Methods: whoami(), Callers: extapi.Callers{TLS: g.keeper()}})
	expired, early, forServers := named("payments.example"), named("payments.example"), named("payments.example")
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Second)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	forServers.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for name, c := range map[string]struct {
		ca   *tlstest.CA
		cert x509.Certificate
		want string // of the handshake; else of an answer 403
	}{
		"none":            {nil, x509.Certificate{}, "certificate required"},
		"other authority": {authority(t), named("payments.example"), "unknown certificate authority"},
		"a server's":      {g.servers, named("payments.example"), "unknown certificate authority"},
		"expired":         {g.callers, expired, "expired certificate"},
		"not valid yet":   {g.callers, early, "expired certificate"},
		"for servers":     {g.callers, forServers, "bad certificate"},
		"no name":         {g.callers, x509.Certificate{}, ""},
		"local":           {g.callers, named("local"), ""},
		"anonymous":       {g.callers, x509.Certificate{Subject: pkix.Name{CommonName: "Anonymous"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := g.client(p, c.ca, c.cert)
			for _, call := range []string{whoCall, `{"id":1,"method":"eth_x"}`} {
				status, body, err := client.post("", call)
				if c.want == "" && (err != nil || status != 403 || !strings.Contains(body, "the client certificate")) ||
					c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %d %s, %v", status, body, err)
				}
			}
			if _, err := client.open(""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a WebSocket: %v", err)
			}
		})
	}
	plain := http.Client{Timeout: 20 * time.Second}
	defer plain.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr(), strings.NewReader(whoCall))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("in clear: %s", answer.Status)
	}
	if seen := f.seen(); len(seen) != 0 {
		t.Errorf("the node got %q", seen)
	}
}

// TestTLSNamelessMount: a proxy that asks for names, mounted where nobody has one,
// answers nobody.
func TestTLSNamelessMount(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	mounted, err := New(Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{TLS: g.keeper()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mounted.Shutdown(t.Context()) }()
	p := started(t, Config{Node: f.http(), Pages: func(*http.Request) http.Handler { return mounted }})
	if got := send(t, p, http.MethodPost, whoCall, nil); got.status != 403 || !strings.Contains(got.body, "no client certificate") {
		t.Errorf("got %+v", got)
	}
}

// TestTLSAuthorityIsReplaced: those of the old authority are not heard any more, on
// connections that are open neither.
func TestTLSAuthorityIsReplaced(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		t.Run(way, func(t *testing.T) {
			g := newTLSGate(t)
			cfg.Methods, cfg.Callers.TLS = whoami(), g.keeper()
			p := started(t, cfg)
			second := authority(t)
			old, newer := g.client(p, g.callers, named("payments.example")), g.client(p, second, named("payments.example"))
			if status, body, err := old.post("", whoCall); err != nil || status != 200 || body != answerOf("payments.example") {
				t.Fatalf("%d %s, %v", status, body, err)
			}
			asks, passes := old.mustOpen(""), old.mustOpen("")
			for _, conn := range []*websocket.Conn{asks, passes} {
				tell(t, conn, whoCall)
				hear(t, conn)
				tell(t, conn, `{"id":2,"method":"eth_x"}`)
				hear(t, conn)
			}
			before := len(f.seen())

			g.renew()
			g.write(g.cfg.ClientCAFile, second.PEM)
			const why = "the client certificate is not one of a known authority any more"
			if status, body, err := old.post("", whoCall); err != nil || status != 403 || body != why {
				t.Errorf("%d %s, %v", status, body, err)
			}
			tell(t, asks, whoCall)
			wantGoodbye(t, asks, why)
			tell(t, passes, `{"id":2,"method":"eth_x"}`)
			wantGoodbye(t, passes, why)
			if seen := f.seen()[before:]; len(seen) != 0 {
				t.Errorf("the node got %q", seen)
			}
			if _, err := old.open(""); err == nil {
				t.Error("the old one opens a WebSocket")
			}
			if status, body, err := newer.post("", whoCall); err != nil || status != 200 || body != answerOf("payments.example") {
				t.Errorf("the newer: %d %s, %v", status, body, err)
			}
		})
	}
}

// TestTLSOnlyListening: who says nothing more is found out as well, by a certificate
// that expires.
func TestTLSOnlyListening(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	p := started(t, Config{Node: f.ws(), Callers: extapi.Callers{TLS: g.keeper()}, PingInterval: 200 * time.Millisecond})
	short := named("payments.example")
	short.NotAfter = time.Now().Add(3 * time.Second)
	conn := g.client(p, g.callers, short).mustOpen("")
	tell(t, conn, `{"id":1,"method":"eth_x"}`)
	if got := hear(t, conn); !strings.Contains(got, `"node":"eth_x"`) {
		t.Error(got)
	}
	wantGoodbye(t, conn, "the client certificate has expired")
}

// wantGoodbye waits for the end of a connection.
func wantGoodbye(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	_, got, err := conn.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.ClosePolicyViolation || closed.Text != text {
		t.Errorf("got %s and %v, want %s", got, err, text)
	}
}

// TestSilentConnectionsMakeRoom: who takes a place and says nothing gives it up, who
// has a WebSocket keeps it.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	g, f := newTLSGate(t), newFake(t)
	p := started(t, Config{Node: f.http(), Methods: whoami(), Callers: extapi.Callers{TLS: g.keeper()}, MaxConns: 2})
	client := g.client(p, g.callers, named("payments.example"))
	conn := client.mustOpen("")
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if status, body, err := client.post("", whoCall); err != nil || status != 200 || body != answerOf("payments.example") {
		t.Errorf("%d %s, %v", status, body, err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the silent one is still there: %v", err)
	}
	tell(t, conn, whoCall)
	if got := hear(t, conn); got != answerOf("payments.example") {
		t.Error(got)
	}
}
