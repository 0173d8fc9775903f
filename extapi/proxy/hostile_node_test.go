package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// toldNode is a node at the end of a socket, whose every word a test says.
type toldNode struct {
	path string
	came chan toldCall
}

// toldCall is a message that came to a toldNode.
type toldCall struct {
	wireMessage
	answer func(text string)
}

func newToldNode(tb testing.TB) *toldNode {
	tb.Helper()
	dir, err := os.MkdirTemp("", "raw") //nolint:usetesting // a socket's path is short
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "unix", filepath.Join(dir, "node.ipc"))
	if err != nil {
		tb.Fatal(err)
	}
	n := &toldNode{path: listener.Addr().String(), came: make(chan toldCall, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go n.read(conn)
		}
	}()
	tb.Cleanup(func() {
		listener.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return n
}

func (n *toldNode) read(conn net.Conn) {
	defer conn.Close()
	for decoder := json.NewDecoder(conn); ; {
		var call wireMessage
		if decoder.Decode(&call) != nil {
			return
		}
		n.came <- toldCall{call, func(text string) { _, _ = io.WriteString(conn, text) }}
	}
}

// later posts a body and returns what will be answered.
func later(ctx context.Context, t *testing.T, p *Proxy, body string) <-chan string {
	t.Helper()
	told := make(chan string, 1)
	go func() { told <- sendContext(ctx, t, p, http.MethodPost, body, nil).body }()
	return told
}

const nobodys = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}`

// TestErrorOfAnotherCaller: an error that the node ascribes to no call is for who
// waits alone only if nobody else can have caused it. geth has one for a call
// without id and version.
func TestErrorOfAnotherCaller(t *testing.T) {
	const want = `{"jsonrpc":"2.0","id":7,"result":"mine"}`
	t.Run("a notification", func(t *testing.T) {
		n := newToldNode(t)
		p := started(t, Config{Node: n.path, NodeLinks: 1})
		mine := later(t.Context(), t, p, `{"id":7,"method":"mine"}`)
		call := <-n.came
		post(t, p, `{"method":"theirs"}`)
		(<-n.came).answer(nobodys)
		call.answer(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":"mine"}`, call.ID))
		if got := <-mine; got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a call that was given up", func(t *testing.T) {
		n := newToldNode(t)
		p := started(t, Config{Node: n.path, NodeLinks: 1})
		ctx, cancel := context.WithCancel(t.Context())
		theirs := later(ctx, t, p, `{"id":1,"method":"theirs"}`)
		first := <-n.came
		cancel()
		<-theirs
		mux, ok := p.node.(*muxNode)
		if !ok {
			t.Fatal("the node is not shared")
		}
		mux.places[0].mu.Lock()
		link := mux.places[0].mux
		mux.places[0].mu.Unlock()
		for ; ; runtime.Gosched() {
			link.mu.Lock()
			left := len(link.groups) == 0
			link.mu.Unlock()
			if left {
				break
			}
		}
		mine := later(t.Context(), t, p, `{"id":7,"method":"mine"}`)
		call := <-n.came
		first.answer(nobodys)
		call.answer(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":"mine"}`, call.ID))
		if got := <-mine; got != want {
			t.Errorf("got %s", got)
		}
	})
}

// TestErrorOfNoCall: over a client's own link an error that may be about another
// message takes no call's place. It is told when the link ends.
func TestErrorOfNoCall(t *testing.T) {
	f := newFake(t)
	n := newToldNode(t)
	for name, second := range map[string]string{"a notification": `{"method":"b"}`, "two calls": `{"id":2,"method":"b"}`} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, started(t, Config{Node: f.http(), NodeWS: n.path}), nil)
			tell(t, conn, `{"id":1,"method":"a"}`)
			call := <-n.came
			tell(t, conn, second)
			(<-n.came).answer(nobodys)
			if got := hear(t, conn); got != nobodys {
				t.Errorf("got %s", got)
			}
			call.answer("nonsense")
			if got := hear(t, conn); !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":1,"error":`) {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestEscapedID: encoders such as geth's write some characters of an id as an
// escape, six bytes long.
func TestEscapedID(t *testing.T) {
	f := newFake(t)
	n := newToldNode(t)
	conn := dial(t, started(t, Config{Node: f.http(), NodeWS: n.path, MaxInFlight: 1}), nil)
	for range 2 { // the second finds a slot once the first is known to be answered
		tell(t, conn, `{"id":"`+strings.Repeat("<", maxID-2)+`","method":"a"}`)
		(<-n.came).answer(`{"jsonrpc":"2.0","id":"` + strings.Repeat(`\u003c`, maxID-2) + `","result":1}`)
		if got := hear(t, conn); !strings.Contains(got, `"result":1`) {
			t.Errorf("got %s", got)
		}
	}
}

// TestManyTinyAnswers: what the node claims to have answered is not multiplied in
// memory.
func TestManyTinyAnswers(t *testing.T) {
	calls := mustMessages(t, []byte(`[{"id":1,"method":"a"},{"id":2,"method":"b"}]`))
	for _, tiny := range []string{`1,`, `{},`, `{"id":9},`, `{"id":1},`} {
		text := []byte("[" + strings.Repeat(tiny, 8<<20/len(tiny)) + `{"id":1,"result":1}]`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sortAnswers(text, calls)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%d bytes of %s took %d", len(text), tiny, grown)
		}
	}
}

// TestLargeErrorForAll: an error about a whole batch is not multiplied either.
func TestLargeErrorForAll(t *testing.T) {
	calls := mustMessages(t, []byte("["+strings.Repeat(`{"id":5,"method":"a"},`, 999)+`{"id":5,"method":"a"}]`))
	text := []byte(`{"id":null,"error":{"code":1,"message":"` + strings.Repeat("x", 1<<20) + `"}}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := sortAnswers(text, calls)
	link := newMux(nil, Config{MaxBatch: 1000, MaxAnswer: 2 << 20}.withDefaults())
	g := &group{calls: calls, room: new(held).share(2 << 20), done: make(chan struct{})}
	link.enter(g)
	if err := link.give(text); err != nil {
		t.Error(err)
	}
	<-g.done
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes", grown)
	}
	for _, answer := range []string{string(got[7].text), string(g.replies[7].text)} {
		if answer != `{"jsonrpc":"2.0","id":5,"error":{"code":-32003,"message":"response too large"}}` {
			t.Errorf("got %.200s", answer)
		}
	}
}

// TestOddStatus: an answer that is none to a POST is an error, over TLS too.
func TestOddStatus(t *testing.T) {
	for _, status := range []string{"099 Odd", "101 Switching Protocols", "304 Not Modified", "600 Odd"} {
		t.Run(status, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, buffer, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				answer := `{"jsonrpc":"2.0","id":1,"result":1}`
				fmt.Fprintf(buffer, "HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%s", status, len(answer), answer)
				_ = buffer.Flush()
				_, _ = bufio.NewReader(conn).ReadByte()
			}))
			defer server.Close()
			p := started(t, Config{Node: server.URL, NodeTLS: &tls.Config{InsecureSkipVerify: true}})
			got := send(t, p, http.MethodPost, `{"id":1,"method":"a"}`, nil)
			if got.err != nil || got.status != http.StatusOK && got.status != 600 || !json.Valid([]byte(got.body)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestEndlessHandshake: what a node sends before it is a WebSocket is bounded.
func TestEndlessHandshake(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := io.Copy(conn, io.MultiReader(strings.NewReader("HTTP/1.1 101 Switching Protocols\r\n"), io.LimitReader(endless("X-Y: zzzzzzzzzz\r\n"), 256<<20)))
		sent <- n
	}()
	defer listener.Close()
	p := started(t, Config{Node: "ws://" + listener.Addr().String()})
	if got := post(t, p, `{"id":1,"method":"a"}`); !strings.Contains(got, "the node can't be reached") {
		t.Errorf("got %s", got)
	}
	if n := <-sent; n > 32<<20 { // most of it in the system's buffers
		t.Errorf("%d bytes were taken", n)
	}
}

// endless is a text that comes again and again.
type endless string

// Read reads it once.
func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }
