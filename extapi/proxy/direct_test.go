package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rawNode is a node that speaks HTTP as it is told. It answers the nth request
// of all with the nth text, the last one also those after it, and closes the
// connection after a text that ends with "CLOSE".
type rawNode struct {
	listener net.Listener
	answers  []string
	requests atomic.Int64
	conns    atomic.Int64
	ended    chan struct{} // gets one for each connection that was closed
	wg       sync.WaitGroup
}

func newRawNode(t *testing.T, answers ...string) *rawNode {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &rawNode{listener: listener, answers: answers, ended: make(chan struct{}, 100)}
	n.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.conns.Add(1)
			n.wg.Go(func() { n.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		n.wg.Wait()
	})
	return n
}

func (n *rawNode) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		n.ended <- struct{}{}
	}()
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		index := min(int(n.requests.Add(1)), len(n.answers)) - 1
		text, last := strings.CutSuffix(n.answers[index], "CLOSE")
		fmt.Fprint(conn, text)
		if last {
			return
		}
	}
}

func (n *rawNode) url() string { return "http://" + n.listener.Addr().String() }

const (
	one = `{"jsonrpc":"2.0","id":1,"result":1}`
	two = `{"jsonrpc":"2.0","id":1,"result":2}`
)

func httpReply(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// TestConnectionsToTheNode makes two calls, one after the other.
func TestConnectionsToTheNode(t *testing.T) {
	garbage := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node's answer is not JSON-RPC"}}`
	cut := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node closed the connection before its answer was complete"}}`
	for name, c := range map[string]struct {
		answers       []string
		first, second string
		conns         int64
	}{
		"kept":                   {[]string{httpReply(one), httpReply(two)}, one, two, 1},
		"chunked":                {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + one[:5] + "\r\n1e\r\n" + one[5:] + "\r\n0\r\n\r\n", httpReply(two)}, one, two, 1},
		"closed while idle":      {[]string{httpReply(one) + "CLOSE", httpReply(two)}, one, two, 2},
		"says that it closes":    {[]string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 35\r\n\r\n" + one + "CLOSE", httpReply(two)}, one, two, 2},
		"HTTP/1.0":               {[]string{"HTTP/1.0 200 OK\r\n\r\n" + one + "CLOSE", httpReply(two)}, one, two, 2},
		"interim answers":        {[]string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + httpReply(one), httpReply(two)}, one, two, 1},
		"more than it was asked": {[]string{httpReply(one) + httpReply(`{"jsonrpc":"2.0","id":1,"result":"evil"}`), httpReply(two)}, one, two, 2},
		"other protocol":         {[]string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", httpReply(two)}, garbage, two, 2},
		"no HTTP":                {[]string{"SSH-2.0-OpenSSH\r\n\r\n", httpReply(two)}, garbage, two, 2},
		"endless headers":        {[]string{"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 10000), httpReply(two)}, garbage, two, 2},
		"cut in the headers":     {[]string{"HTTP/1.1 200 OK\r\nX: y\r\nCLOSE", httpReply(two)}, cut, two, 2},
		"cut before all":         {[]string{"CLOSE", httpReply(two)}, cut, two, 2},
		"cut in a chunk":         {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + one + "CLOSE", httpReply(two)}, cut, two, 2},
		"two lengths":            {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 35\r\nContent-Length: 36\r\n\r\n" + one, httpReply(two)}, garbage, two, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := newRawNode(t, c.answers...)
			p := started(t, Config{Node: n.url()})
			call := `{"id":1,"method":"a"}`
			if got := post(t, p, call); got != c.first {
				t.Errorf("first: got %s", got)
			}
			if strings.HasSuffix(c.answers[0], "CLOSE") {
				<-n.ended // a call before that is lost with the connection
			}
			if got := post(t, p, call); got != c.second {
				t.Errorf("second: got %s", got)
			}
			if conns := n.conns.Load(); conns != c.conns {
				t.Errorf("%d connections", conns)
			}
		})
	}
}

// TestNodeRefusesALargeBody: the node answers and closes without reading on.
func TestNodeRefusesALargeBody(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}))
	defer node.Close()
	p := started(t, Config{Node: node.URL})
	got := post(t, p, `{"id":1,"method":"a","params":["`+strings.Repeat("x", 3<<20)+`"]}`)
	if !strings.Contains(got, "the node answered HTTP 413") && !strings.Contains(got, "the node closed the connection") {
		t.Errorf("got %s", got)
	}
}

// TestConnectionsAreBounded: who finds no place waits, and may hang up.
func TestConnectionsAreBounded(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), MaxNodeCalls: 1})
	held, release := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { sendContext(held, t, p, http.MethodPost, `{"id":1,"method":"fake_hang"}`, nil) })
	<-f.hung
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := sendContext(impatient, t, p, http.MethodPost, `{"id":1,"method":"a"}`, nil); got.err == nil {
		t.Errorf("got %+v", got)
	}
	wg.Go(func() {
		if got := send(t, p, http.MethodPost, `{"id":2,"method":"a"}`, nil); !strings.Contains(got.body, `"node":"a"`) {
			t.Errorf("got %+v", got)
		}
	})
	if seen := f.seen(); len(seen) != 1 {
		t.Errorf("the node got %q", seen)
	}
	release()
	wg.Wait()
}

// TestManyCallers: every caller gets its own answer.
func TestManyCallers(t *testing.T) {
	f := newFake(t)
	for way, address := range nodes(f) {
		t.Run(way, func(t *testing.T) {
			p := started(t, Config{Node: address, Methods: ours()})
			var wg sync.WaitGroup
			for caller := range 16 {
				wg.Go(func() {
					for i := range 20 {
						mine := fmt.Sprintf("[%d,%d]", caller, i)
						got := post(t, p, `[{"id":"same","method":"a","params":`+mine+`},{"jsonrpc":"2.0","id":"same","method":"our_null"}]`)
						if !strings.Contains(got, `"params":`+mine) {
							t.Errorf("%s got %s", mine, got)
						}
						got = post(t, p, `{"id":"same","method":"a","params":`+mine+`}`)
						if !strings.Contains(got, `"params":`+mine) {
							t.Errorf("%s got %s", mine, got)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
