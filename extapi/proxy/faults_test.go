package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestFaultsOfTheNode(t *testing.T) {
	f := newFake(t)
	for transport, address := range nodes(f) {
		t.Run(transport, func(t *testing.T) {
			p := started(t, Config{Node: address, Methods: ours()})
			for method, texts := range map[string][]string{
				"fake_cut":     {"the node closed the connection before its answer was complete"},
				"fake_html":    {"the node answered HTTP 502", "the node closed the connection before its answer was complete"},
				"fake_garbage": {"the node's answer is not JSON-RPC"},
				"fake_number":  {"the node's answer is not JSON-RPC"},
			} {
				for kind, body := range map[string]string{
					"single": `{"id":"x","method":"` + method + `"}`,
					"batch":  `[{"id":"x","method":"` + method + `"},{"method":"n"}]`,
					"mixed":  `[{"id":"x","method":"` + method + `"},{"jsonrpc":"2.0","id":2,"method":"our_null"}]`,
				} {
					t.Run(method+" "+kind, func(t *testing.T) {
						got := post(t, p, body)
						fits := false
						for _, text := range texts {
							answer := `{"jsonrpc":"2.0","id":"x","error":{"code":-32000,"message":"` + text + `"}}`
							fits = fits || got == answer && kind == "single" || got == "["+answer+"]" && kind == "batch" ||
								got == "["+answer+`,{"jsonrpc":"2.0","id":2,"result":null}]` && kind == "mixed"
						}
						if !fits {
							t.Errorf("got %s", got)
						}
						if got := post(t, p, `{"id":1,"method":"after"}`); !strings.Contains(got, `"node":"after"`) {
							t.Errorf("afterwards got %s", got)
						}
					})
				}
			}
		})
	}
}

// TestNodeHangs: a caller waits for NodeTimeout, and a late answer is nobody's.
func TestNodeHangs(t *testing.T) {
	f := newFake(t)
	for transport, address := range nodes(f) {
		t.Run(transport, func(t *testing.T) {
			p := started(t, Config{Node: address, Methods: ours(), NodeTimeout: 200 * time.Millisecond})
			slow := `{"jsonrpc":"2.0","id":"x","error":{"code":-32000,"message":"the node did not answer in time"}}`
			for body, want := range map[string]string{
				`{"id":"x","method":"fake_hang"}`:                                                slow,
				`[{"id":"x","method":"fake_hang"},{"method":"n"}]`:                               "[" + slow + "]",
				`[{"id":"x","method":"fake_hang"},{"jsonrpc":"2.0","id":2,"method":"our_null"}]`: "[" + slow + `,{"jsonrpc":"2.0","id":2,"result":null}]`,
			} {
				if got := post(t, p, body); got != want {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}

func TestNodeIsDown(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	for transport, address := range map[string]string{
		"http": "http://user:secret@" + closed + "/v3/secret", "ws": "ws://user:secret@" + closed + "/v3/secret", "ipc": t.TempDir() + "/secret.ipc",
	} {
		t.Run(transport, func(t *testing.T) {
			var log bytes.Buffer
			p := started(t, Config{Node: address, Methods: ours(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
			for body, want := range map[string]string{
				`{"id":1,"method":"a"}`: `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node can't be reached"}}`,
				`[{"id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"our_null"}]`: `[{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node can't be reached"}},{"jsonrpc":"2.0","id":2,"result":null}]`,
				`{"jsonrpc":"2.0","id":2,"method":"our_null"}`:                         `{"jsonrpc":"2.0","id":2,"result":null}`,
			} {
				if got := post(t, p, body); got != want {
					t.Errorf("got %s", got)
				}
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if text := log.String(); !strings.Contains(text, "Node failed") || transport != "ipc" && strings.Contains(text, "secret") {
				t.Errorf("the log says %s", text)
			}
		})
	}
}

// TestAnswersOfHTTPNodes covers what only HTTP can say.
func TestAnswersOfHTTPNodes(t *testing.T) {
	type reply struct {
		status   int
		kind     string
		encoding string
		body     string
	}
	zipped := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprint(w, text)
		w.Close()
		return b.String()
	}
	answer := `{"jsonrpc":"2.0","id":1,"result":1}`
	limited := `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow down"}}`
	fail := func(text string) string {
		return `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"` + text + `"}}`
	}
	var now atomic.Pointer[reply]
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := now.Load()
		w.Header()["Content-Type"] = []string{r.kind}
		if r.encoding != "" {
			w.Header().Set("Content-Encoding", r.encoding)
		}
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "https://evil.example")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.body)
	}))
	defer node.Close()
	p := started(t, Config{Node: node.URL})
	for name, c := range map[string]struct {
		reply
		status int
		body   string
	}{
		"answer":        {reply{200, "application/json", "", answer}, 200, answer},
		"as text":       {reply{200, "text/plain", "", answer}, 200, answer},
		"as a page":     {reply{200, "text/html", "", answer}, 200, answer},
		"gzip":          {reply{200, "application/json", "gzip", zipped(answer)}, 200, zipped(answer)},
		"gzip page":     {reply{200, "text/html", "gzip", zipped("<html>")}, 200, fail("the node's answer is not JSON-RPC")},
		"limited":       {reply{429, "application/json", "", limited}, 429, limited},
		"page":          {reply{503, "text/html", "", "<html>"}, 200, fail("the node answered HTTP 503")},
		"page, fine":    {reply{200, "text/html", "", "<html>"}, 200, fail("the node's answer is not JSON-RPC")},
		"redirect":      {reply{307, "application/json", "", answer}, 200, fail("the node answered HTTP 307")},
		"unauthorised":  {reply{401, "text/plain", "", "no"}, 200, fail("the node answered HTTP 401")},
		"empty":         {reply{200, "application/json", "", ""}, 200, fail("the node's answer is not JSON-RPC")},
		"half":          {reply{200, "application/json", "", answer[:20]}, 200, fail("the node's answer is not JSON-RPC")},
		"two":           {reply{200, "application/json", "", answer + answer}, 200, fail("the node's answer is not JSON-RPC")},
		"text":          {reply{200, "application/json", "", `"text"`}, 200, fail("the node's answer is not JSON-RPC")},
		"long nonsense": {reply{200, "application/json", "", strings.Repeat("nonsense", 20000)}, 200, fail("the node's answer is not JSON-RPC")},
	} {
		t.Run(name, func(t *testing.T) {
			now.Store(&c.reply)
			got := send(t, p, http.MethodPost, `{"id":1,"method":"a"}`, nil)
			if got.err != nil || got.status != c.status || got.body != c.body {
				t.Errorf("got %+v", got)
			}
			if got.header.Get("Content-Type") != "application/json" || got.header.Get("Location") != "" || got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("got headers %v", got.header)
			}
			if passed := got.body == c.reply.body; passed && (got.header.Get("Content-Encoding") != c.encoding || got.header.Get("Retry-After") != "7") {
				t.Errorf("got headers %v", got.header)
			}
		})
	}
}

// TestLargeAnswersStream passes 100 MB through, and looks at the memory in the
// middle of it.
func TestLargeAnswersStream(t *testing.T) {
	const size = 100 << 20
	f := newFake(t)
	p := started(t, Config{Node: f.http()})
	var before, within runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr(), strings.NewReader(`{"id":1,"method":"fake_big","params":[104857600]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, size/2); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&within)
	if grown := int64(within.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if rest, err := io.Copy(io.Discard, answer.Body); err != nil || rest+size/2 < size {
		t.Errorf("got %d bytes, %v", rest+size/2, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestLargeAnswerBreaksOff: a part must not look like the whole.
func TestLargeAnswerBreaksOff(t *testing.T) {
	for _, length := range []string{"", "1000000"} {
		t.Run("length "+length, func(t *testing.T) {
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":"`+strings.Repeat("x", 200_000))
				panic(http.ErrAbortHandler)
			}))
			p := started(t, Config{Node: node.URL})
			if got := send(t, p, http.MethodPost, `{"id":1,"method":"a"}`, nil); got.err == nil {
				t.Errorf("got %d bytes as if it were all", len(got.body))
			}
			node.Close()
		})
	}
}

func TestHangUpEndsTheMethod(t *testing.T) {
	f := newFake(t)
	asked, ended := make(chan struct{}), make(chan struct{})
	p := started(t, Config{Node: f.http(), Methods: map[string]Method{"our_wait": func(ctx context.Context, _ json.RawMessage) (any, error) {
		close(asked)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	sendContext(ctx, t, p, http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"our_wait"}`, nil)
	<-ended
}

func TestHangUpEndsTheCall(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	node := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(gone)
	}))
	defer node.Close()
	p := started(t, Config{Node: node.URL})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	sendContext(ctx, t, p, http.MethodPost, `{"id":1,"method":"a"}`, nil)
	<-gone
}

func TestMethodsHaveATime(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours(), MethodTimeout: 20 * time.Millisecond})
	if got := post(t, p, `{"jsonrpc":"2.0","id":1,"method":"our_hang"}`); !strings.Contains(got, "deadline exceeded") {
		t.Errorf("got %s", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no node":     {},
		"other node":  {Node: "ftp://user:secret@node"},
		"no host":     {Node: "http:///secret"},
		"no URL":      {Node: "http://a b/secret"},
		"no scheme":   {Node: "user:secret@node:8545"},
		"one slash":   {Node: "https:/user:secret@node"},
		"no slash":    {Node: "HTTPS:node/secret"},
		"host, port":  {Node: "localhost:8545"},
		"ws beside":   {Node: "ws://node", NodeWS: "ws://secret"},
		"http pushes": {Node: "http://node", NodeWS: "http://secret"},
		"address":     {Node: "http://node", Addr: "8545"},
		"reachable":   {Node: "http://node", Addr: "0.0.0.0:8545", LoopbackOnly: true},
		"limit":       {Node: "http://node", MaxBatch: -1},
		"method":      {Node: "http://node", Methods: map[string]Method{"a b": nothing}},
		"no function": {Node: "http://node", Methods: map[string]Method{"a": nil}},
		"header":      {Node: "http://node", NodeHeaders: http.Header{"Authorization": {"secret\n"}}},
		"framing":     {Node: "http://node", NodeHeaders: http.Header{"Transfer-Encoding": {"secret"}}},
		"its length":  {Node: "ws://node", NodeHeaders: http.Header{"content-length": {"secret"}}},
		"replayable":  {Node: "https://node", NodeHeaders: http.Header{"X-Idempotency-Key": {"secret"}}},
		"no token":    {Node: "https://node", NodeHeaders: http.Header{"X Y": {"secret"}}},
		"pattern":     {Node: "http://node", Deny: []string{"*_x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(cfg)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNodeOverTLS: the node's certificate is checked.
func TestNodeOverTLS(t *testing.T) {
	f := newFake(t)
	server := httptest.NewTLSServer(f)
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	for _, node := range []string{server.URL, "wss" + strings.TrimPrefix(server.URL, "https")} {
		t.Run(node[:5]+" trusted", func(t *testing.T) {
			p := started(t, Config{Node: node, NodeTLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}})
			conn := dial(t, p, nil)
			tell(t, conn, `{"id":1,"method":"a"}`)
			for _, got := range []string{post(t, p, `{"id":1,"method":"a"}`), hear(t, conn)} {
				if got != `{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}}` {
					t.Errorf("got %s", got)
				}
			}
		})
		t.Run(node[:5]+" not trusted", func(t *testing.T) {
			p := started(t, Config{Node: node})
			if got := post(t, p, `{"id":1,"method":"a"}`); !strings.Contains(got, "the node can't be reached") {
				t.Errorf("got %s", got)
			}
		})
	}
}
