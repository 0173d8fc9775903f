package extapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// httpClient writes and reads the bytes of HTTP as it likes.
type httpClient struct {
	t testing.TB
	net.Conn
	answers *bufio.Reader
}

func dialHTTP(t testing.TB, server *Server) *httpClient {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.HTTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &httpClient{t: t, Conn: conn, answers: bufio.NewReader(conn)}
}

// post sends a request with more headers, each ending in "\r\n".
func (c *httpClient) post(headers, body string) {
	c.request("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"+
		fmt.Sprintf("Content-Length: %d\r\n", len(body))+headers+"\r\n", body)
}

func (c *httpClient) request(head, body string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, head+body); err != nil {
		c.t.Fatal(err)
	}
}

// answer returns the status and body of the next answer.
func (c *httpClient) answer() (int, string) {
	c.t.Helper()
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		c.t.Fatalf("reading an answer: %v", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatalf("reading an answer: %v", err)
	}
	return answer.StatusCode, strings.TrimSpace(string(body))
}

func (c *httpClient) closed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.answers); errors.Is(err, os.ErrDeadlineExceeded) || len(rest) > 0 {
		c.t.Errorf("got %q and %v, want a closed connection", rest, err)
	}
}

// TestHTTPDeviation22 shows that nothing without an id runs, and nothing that
// a page in a browser may send.
func TestHTTPDeviation22(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{AllowedOrigins: []string{"https://wallet.example"}})
	const notification = `{"jsonrpc":"2.0","method":"account_version"}`
	for name, c := range map[string]struct {
		headers, body string
		status        int
		want          string
		calls         int64
	}{
		"notification":         {"", notification, 200, "", 0},
		"notifications":        {"", "[" + notification + "," + notification + "]", 200, "", 0},
		"mixed batch":          {"", "[" + notification + "," + versionCall + "]", 200, "[" + versionAnswer + "]", 1},
		"trailing value":       {"", versionCall + notification, 200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`, 0},
		"no origin":            {"", versionCall, 200, versionAnswer, 1},
		"origin":               {"Origin: https://evil.example\r\n", versionCall, 403, "origin not allowed", 0},
		"opaque origin":        {"Origin: null\r\n", versionCall, 403, "origin not allowed", 0},
		"empty origin":         {"Origin:\r\n", versionCall, 403, "origin not allowed", 0},
		"listed origin":        {"Origin: https://Wallet.example\r\n", versionCall, 200, versionAnswer, 1},
		"second origin":        {"Origin: https://wallet.example\r\nOrigin: https://evil.example\r\n", versionCall, 403, "origin not allowed", 0},
		"longer origin":        {"Origin: https://wallet.example.evil.example\r\n", versionCall, 403, "origin not allowed", 0},
		"origin of a port":     {"Origin: https://wallet.example:8443\r\n", versionCall, 403, "origin not allowed", 0},
		"unencrypted":          {"Origin: http://wallet.example\r\n", versionCall, 403, "origin not allowed", 0},
		"origin, notification": {"Origin: https://wallet.example\r\n", notification, 200, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p.calls.Store(0)
			client := dialHTTP(t, server)
			client.post(c.headers, c.body)
			if status, body := client.answer(); status != c.status || unnamed(t, body) != c.want {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, c.want)
			}
			if calls := p.calls.Load(); calls != c.calls {
				t.Errorf("%d calls ran, want %d", calls, c.calls)
			}
		})
	}
}

// TestHTTPHosts are Host headers of DNS rebinding and of honest callers.
func TestHTTPHosts(t *testing.T) {
	for name, c := range map[string]struct {
		hosts []string
		host  string
		ok    bool
	}{
		"default, localhost":   {nil, "localhost", true},
		"default, port":        {nil, "localhost:8550", true},
		"default, upper case":  {nil, "LOCALHOST", true},
		"default, name":        {nil, "evil.example", false},
		"default, suffix":      {nil, "localhost.evil.example", false},
		"default, dot":         {nil, "localhost.", false},
		"default, two ports":   {nil, "localhost:1:2", false},
		"address in a name":    {nil, "127.0.0.1.nip.io", false},
		"hexadecimal address":  {nil, "0x7f000001", false},
		"address":              {nil, "10.1.2.3:8550", true},
		"address, IPv6":        {nil, "[::1]:8550", true},
		"address, no port":     {nil, "[::1]", true},
		"decimal address":      {nil, "2130706433", false},
		"none allowed":         {[]string{}, "localhost", false},
		"listed":               {[]string{"Signer.internal"}, "signer.INTERNAL:80", true},
		"any":                  {[]string{"*"}, "evil.example", true},
		"absent":               {nil, "", true},
		"star is not a prefix": {[]string{"*.example"}, "evil.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := listeners(t, newProbe(), ServerConfig{VirtualHosts: c.hosts})
			client := dialHTTP(t, server)
			client.request(fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", c.host, len(versionCall)), versionCall)
			status, body := client.answer()
			if c.ok && (status != 200 || body != versionAnswer) || !c.ok && (status != 403 || body != "invalid host specified") {
				t.Errorf("got %d %s, want ok %v", status, body, c.ok)
			}
		})
	}
}

// TestHTTPMethods shows that only a POST carries a call.
func TestHTTPMethods(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	for method, want := range map[string]int{"GET": 200, "OPTIONS": 200, "PATCH": 200, "PUT": 405, "DELETE": 405, "POST": 200} {
		client := dialHTTP(t, server)
		client.request(fmt.Sprintf("%s /?q HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, len(versionCall)), versionCall)
		if status, body := client.answer(); status != want || (body == versionAnswer) != (method == "POST") {
			t.Errorf("%s: got %d %s, want %d", method, status, body, want)
		}
	}
	if calls := p.calls.Load(); calls != 1 {
		t.Errorf("%d calls ran, want that of the POST", calls)
	}
}

// TestHTTPHostile are requests that never end or are too large.
func TestHTTPHostile(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{
		HeaderTimeout: 500 * time.Millisecond, ReadTimeout: time.Second, IdleTimeout: 500 * time.Millisecond, MaxBody: 1 << 16,
	})
	const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		request string
		status  int // 0: closed without an answer
		want    string
	}{
		"silence":             {"", 0, ""},
		"half a header":       {"POST / HT", 400, "400 Bad Request"},
		"no end of headers":   {head + "X-A: b\r\n", 0, ""},
		"too many headers":    {head + strings.Repeat("X-A: b\r\n", 8000) + "\r\n", 431, "431 Request Header Fields Too Large"},
		"no body":             {head + "Content-Length: 100\r\n\r\n", 200, "read timeout"},
		"half a body":         {head + "Content-Length: 100\r\n\r\n{\"jsonrpc\":", 200, "read timeout"},
		"half a chunk":        {head + "Transfer-Encoding: chunked\r\n\r\nff\r\n{", 200, "read timeout"},
		"length over limit":   {head + "Content-Length: 6291521\r\n\r\n", 413, "content length too large (6291521>65536)"},
		"chunks over limit":   {head + "Transfer-Encoding: chunked\r\n\r\n20000\r\n" + strings.Repeat(" ", 1<<16+1), 200, "parse error"},
		"blank, then more":    {head + "Content-Length: 65536\r\n\r\n" + versionCall + strings.Repeat(" ", 1<<16-len(versionCall)), 200, versionAnswer},
		"deep nesting":        {head + "Content-Length: 10001\r\n\r\n" + strings.Repeat("[", 10_001), 200, "parse error"},
		"length and chunks":   {head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "400 Bad Request"},
		"no HTTP":             {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "400 Bad Request"},
		"HTTP/2 preface":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 415, "invalid content type"},
		"WebSocket handshake": {"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := dialHTTP(t, server)
			client.request(c.request, "")
			if c.status == 0 {
				client.closed()
				return
			}
			if status, body := client.answer(); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s, want %d %s", status, clip(body), c.status, c.want)
			}
		})
	}
}

// TestHTTPSlowHeaders cuts headers that don't come, however long bodies may.
func TestHTTPSlowHeaders(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{HeaderTimeout: 50 * time.Millisecond, ReadTimeout: time.Hour})
	for _, head := range []string{"", "P", "POST / HTTP/1.1\r\nX"} {
		client := dialHTTP(t, server)
		client.request(head, "")
		if _, err := io.ReadAll(client.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: not cut", head)
		}
	}
}

// TestHTTPSlowBody answers a body that took longer than a call may.
func TestHTTPSlowBody(t *testing.T) {
	p := newProbe()
	client := dialHTTP(t, listeners(t, p, ServerConfig{RequestTimeout: 50 * time.Millisecond}))
	call := strings.Replace(waitCall, "wait", "stuck", 1)
	client.request(fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(call)), call[:5])
	<-time.After(300 * time.Millisecond) // at least: longer changes nothing
	client.request("", call[5:])
	if status, body := client.answer(); status != 200 || !strings.Contains(body, "request timed out") {
		t.Errorf("got %d %s", status, body)
	}
	close(p.release)
}

// TestHTTPConnections opens 500 connections: each is served when it comes, and no more
// stay open than may be.
func TestHTTPConnections(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{MaxHTTPConns: 64})
	served := func(client *httpClient) bool {
		_, _ = fmt.Fprintf(client.Conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") // fails on a closed one
		answer, err := http.ReadResponse(client.answers, nil)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return true
	}
	clients := make([]*httpClient, 500)
	for i := range clients {
		if clients[i] = dialHTTP(t, server); !served(clients[i]) {
			t.Fatalf("connection %d is not served", i)
		}
	}
	open := 0
	for _, client := range clients {
		if served(client) {
			open++
		}
	}
	if open != 64 {
		t.Errorf("%d connections stayed open, want 64", open)
	}
}

// TestHTTPConnectionsWithRequests: one with a request under way makes room for nobody.
func TestHTTPConnectionsWithRequests(t *testing.T) {
	const places = 8
	p := newProbe()
	server := listeners(t, p, ServerConfig{MaxHTTPConns: places})
	clients := make([]*httpClient, places)
	for i := range clients {
		clients[i] = dialHTTP(t, server)
		clients[i].post("", waitCall)
		<-p.entered
	}
	for range 3 {
		late := dialHTTP(t, server)
		_, _ = fmt.Fprintf(late.Conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") // likewise
		if _, err := http.ReadResponse(late.answers, nil); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a closed connection", err)
		}
	}
	close(p.release)
	for _, client := range clients {
		if status, body := client.answer(); status != 200 || !strings.Contains(body, "released") {
			t.Errorf("got %d %s", status, body)
		}
	}
}

// TestHTTPRequestTimeout answers in Clef's words when a call takes too long.
func TestHTTPRequestTimeout(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{RequestTimeout: 50 * time.Millisecond})
	client := dialHTTP(t, server)
	client.post("", strings.Replace(waitCall, "wait", "stuck", 1))
	const want = `{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"request timed out"}}`
	if status, body := client.answer(); status != 200 || unnamed(t, body) != want {
		t.Errorf("got %d %s, want %s", status, body, want)
	}
	close(p.release)
}

// TestHTTPHangUp hangs up while a call runs: the call's context ends.
func TestHTTPHangUp(t *testing.T) {
	p := newProbe() // never released: only the hang-up ends the call
	client := dialHTTP(t, listeners(t, p, ServerConfig{}))
	client.post("", waitCall)
	<-p.entered
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHTTPShutdownTooLate gives up on a call that doesn't end, and says so.
func TestHTTPShutdownTooLate(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	client := dialHTTP(t, server)
	client.post("", waitCall)
	<-p.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutting down: %v, want %v", err, context.Canceled)
	}
	client.closed()
}

// TestHTTPUnreadAnswers pipelines requests and never reads: the connection is
// cut, and another one is served meanwhile.
func TestHTTPUnreadAnswers(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{ReadTimeout: time.Second, RequestTimeout: time.Second, WriteTimeout: time.Second})
	flood := dialHTTP(t, server)
	call := `{"jsonrpc":"2.0","id":1,"method":"account_echo","params":["` + strings.Repeat("x", 4000) + `"]}`
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(call))
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			if _, err := io.WriteString(flood.Conn, head+call); err != nil {
				wasCut(t, err)
				return
			}
		}
	}()
	other := dialHTTP(t, server)
	for range 50 {
		other.post("", versionCall)
		if status, body := other.answer(); status != 200 || body != versionAnswer {
			t.Fatalf("got %d %s", status, body)
		}
	}
	<-cut
}

// TestHTTPLargeBodies sends more large bodies at once than are read at once:
// all are answered, and small ones don't wait.
func TestHTTPLargeBodies(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	large := strings.Replace(waitCall, "}", strings.Repeat(" ", smallBody)+"}", 1)
	clients := make([]*httpClient, 2*maxLargeBodies)
	for i := range clients {
		clients[i] = dialHTTP(t, server)
		clients[i].post("", large)
	}
	for range maxLargeBodies {
		<-p.entered
	}
	small := dialHTTP(t, server)
	small.post("", versionCall)
	if status, body := small.answer(); status != 200 || body != versionAnswer {
		t.Errorf("got %d %s", status, body)
	}
	if calls := p.calls.Load(); calls != maxLargeBodies+1 {
		t.Errorf("%d calls ran, want %d", calls, maxLargeBodies+1)
	}
	close(p.release)
	for _, client := range clients {
		if status, body := client.answer(); status != 200 || !json.Valid([]byte(body)) || !strings.Contains(body, "released") {
			t.Errorf("got %d %s", status, body)
		}
	}
}
