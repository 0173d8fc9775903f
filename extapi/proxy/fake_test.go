package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
)

// fake is a node that answers over HTTP, WebSocket and IPC, with faults:
//
//	fake_hang           no answer until the connection ends
//	fake_cut            the connection ends in the middle of an answer
//	fake_html           502 with a page
//	fake_garbage        text that is no JSON, as JSON
//	fake_number         a number in place of an answer
//	fake_omit           no answer within a batch
//	fake_big [n]        a result of n bytes
//	fake_bigTail [n]    the same, with the id at the end
//	fake_bigFail [n]    a result of n bytes, and an error after it
//	fake_bigFailTail [n] the same, with the id at the end
//	fake_bigCut         the beginning of a large result, then the connection ends
//	fake_late [gate]    an answer after the gate of the fixture is opened
//	fake_push [n]       n notifications of a subscription, then the answer
//	fake_error          an error
//	fake_refuse         an error for the whole message, under the id null
//
// Any other method is answered with its name and parameters.
type fake struct {
	tb     testing.TB
	server *httptest.Server
	ipc    net.Listener
	gate   chan struct{}
	gone   chan struct{} // closed with the fixture
	hung   chan struct{} // a call of fake_hang has come
	wg     sync.WaitGroup

	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	conns   map[io.Closer]bool
	hangups int
	written atomic.Int64 // bytes of large results
}

func newFake(tb testing.TB) *fake {
	f := &fake{tb: tb, gate: make(chan struct{}), gone: make(chan struct{}), hung: make(chan struct{}, 1000), conns: make(map[io.Closer]bool)}
	f.server = httptest.NewServer(f)
	dir, err := os.MkdirTemp("", "fake") //nolint:usetesting // a socket's path is short
	if err != nil {
		tb.Fatal(err)
	}
	f.ipc, err = new(net.ListenConfig).Listen(tb.Context(), "unix", filepath.Join(dir, "node.ipc"))
	if err != nil {
		tb.Fatal(err)
	}
	f.wg.Go(f.accept)
	tb.Cleanup(func() {
		close(f.gone)
		f.ipc.Close()
		f.dropAll()
		f.server.CloseClientConnections()
		f.server.Close()
		f.wg.Wait()
		_ = os.RemoveAll(dir)
	})
	return f
}

func (f *fake) http() string { return f.server.URL }
func (f *fake) ws() string   { return "ws" + strings.TrimPrefix(f.server.URL, "http") }
func (f *fake) path() string { return f.ipc.Addr().String() }

// seen returns the messages that came.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.bodies...)
}

func (f *fake) note(body []byte, header http.Header) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bodies = append(f.bodies, string(body))
	f.headers = append(f.headers, header)
}

func (f *fake) keep(c io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
}

// dropAll ends all connections over WebSocket and IPC.
func (f *fake) dropAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
		delete(f.conns, c)
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		f.serveWS(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.tb.Error(err)
	}
	f.note(body, r.Header.Clone())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Set-Cookie", "node=1")
	out := bufferedSink{limit: 32 << 10, to: w}
	switch err := f.answer(r.Context().Done(), &out, body); {
	case errors.Is(err, errPage):
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>bad gateway</html>")
	case errors.Is(err, errCut):
		w.Header().Set("Content-Length", "1000")
		out.flush()
		panic(http.ErrAbortHandler)
	case err != nil:
		f.mu.Lock()
		f.hangups++
		f.mu.Unlock()
	default:
		out.flush()
	}
}

// bufferedSink keeps the beginning of an answer, so that headers can change.
type bufferedSink struct {
	buf   bytes.Buffer
	limit int
	to    io.Writer
}

func (s *bufferedSink) Write(p []byte) (int, error) {
	if s.buf.Len() > s.limit {
		s.flush()
	}
	return s.buf.Write(p)
}

func (s *bufferedSink) flush() { _, _ = s.buf.WriteTo(s.to) }

func (f *fake) serveWS(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	f.keep(conn)
	f.mu.Lock()
	f.headers = append(f.headers, r.Header.Clone())
	f.mu.Unlock()
	f.converse(func() ([]byte, error) {
		_, body, err := conn.ReadMessage()
		return body, err
	}, func() (io.WriteCloser, error) { return conn.NextWriter(websocket.TextMessage) }, conn.Close)
	conn.Close()
}

func (f *fake) accept() {
	for {
		conn, err := f.ipc.Accept()
		if err != nil {
			return
		}
		f.keep(conn)
		f.wg.Go(func() {
			decoder := json.NewDecoder(conn)
			f.converse(func() ([]byte, error) {
				var raw json.RawMessage
				err := decoder.Decode(&raw)
				return raw, err
			}, func() (io.WriteCloser, error) { return nopCloser{conn}, nil }, conn.Close)
			conn.Close()
		})
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// converse answers messages concurrently until the connection ends.
func (f *fake) converse(read func() ([]byte, error), open func() (io.WriteCloser, error), drop func() error) {
	var writing sync.Mutex
	var wg sync.WaitGroup
	done := make(chan struct{})
	defer wg.Wait()
	defer close(done)
	for {
		body, err := read()
		if err != nil {
			return
		}
		f.note(body, nil)
		push := func(text string) {
			writing.Lock()
			defer writing.Unlock()
			if w, err := open(); err == nil {
				fmt.Fprint(w, text)
				w.Close()
			}
		}
		wg.Go(func() {
			for _, m := range fakeCalls(body) {
				if m.Method == "fake_push" {
					for i := range number(m) {
						push(fmt.Sprintf(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":%d}}`, i))
					}
				}
			}
			var small bytes.Buffer
			if !bytes.Contains(body, []byte("fake_big")) {
				err := f.answer(done, &small, body)
				switch {
				case err == nil && small.Len() > 0:
					push(small.String())
				case errors.Is(err, errCut) || errors.Is(err, errPage):
					drop()
				}
				return
			}
			writing.Lock()
			defer writing.Unlock()
			w, err := open()
			if err != nil {
				return
			}
			if err := f.answer(done, w, body); errors.Is(err, errCut) {
				drop()
				return
			}
			w.Close()
		})
	}
}

var (
	errPage = errors.New("a page")
	errCut  = errors.New("cut")
)

func fakeCalls(body []byte) []wireMessage {
	var many []wireMessage
	if json.Unmarshal(body, &many) == nil {
		return many
	}
	var one wireMessage
	if err := json.Unmarshal(body, &one); err != nil {
		return nil
	}
	return []wireMessage{one}
}

func number(m wireMessage) int {
	var n []int
	_ = json.Unmarshal(m.Params, &n)
	if len(n) == 0 {
		return 0
	}
	return n[0]
}

func (f *fake) answer(done <-chan struct{}, w io.Writer, body []byte) error {
	calls := fakeCalls(body)
	if calls == nil {
		f.tb.Errorf("the node got %s", body)
	}
	batch := bytes.HasPrefix(bytes.TrimSpace(body), []byte("["))
	separator := "["
	for _, m := range calls {
		switch m.Method {
		case "fake_html":
			return errPage
		case "fake_cut":
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":`)
			return errCut
		case "fake_garbage":
			_, err := fmt.Fprint(w, `nonsense`)
			return err
		case "fake_number":
			_, err := fmt.Fprint(w, `5`)
			return err
		case "fake_refuse":
			_, err := fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"refused"}}`)
			return err
		case "fake_hang":
			f.hung <- struct{}{}
			select {
			case <-done:
			case <-f.gone:
			}
			return context.Canceled
		case "fake_late":
			select {
			case <-f.gate:
			case <-done:
				return context.Canceled
			case <-f.gone:
				return context.Canceled
			}
		case "fake_omit":
			continue
		}
		if m.ID == nil {
			continue
		}
		if batch {
			fmt.Fprint(w, separator)
			separator = ","
		}
		if err := f.one(w, m); err != nil {
			return err
		}
	}
	if batch && separator == "," {
		fmt.Fprint(w, "]")
	} else if batch {
		fmt.Fprint(w, "[]")
	}
	return nil
}

func (f *fake) one(w io.Writer, m wireMessage) error {
	switch m.Method {
	case "fake_big":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"`, m.ID)
		err := f.large(w, number(m))
		fmt.Fprint(w, `"}`)
		return err
	case "fake_bigFail":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"`, m.ID)
		err := f.large(w, number(m))
		fmt.Fprint(w, `" , "error" : {"code":3,"message":"out of time"}}`)
		return err
	case "fake_bigFailTail":
		fmt.Fprint(w, `{"jsonrpc":"2.0","result":"`)
		err := f.large(w, number(m))
		fmt.Fprintf(w, `","error":{"code":3,"message":"out of time"},"id":%s}`, m.ID)
		return err
	case "fake_bigCut":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"`, m.ID)
		if err := f.large(w, 200_000); err != nil {
			return err
		}
		return errCut
	case "fake_error":
		_, err := fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":3,"message":"execution reverted"}}`, m.ID)
		return err
	case "fake_bigTail":
		fmt.Fprint(w, `{"jsonrpc":"2.0","result":"`)
		err := f.large(w, number(m))
		fmt.Fprintf(w, `","id":%s}`, m.ID)
		return err
	}
	params := m.Params
	if params == nil {
		params = json.RawMessage("null")
	}
	_, err := fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"node":%q,"params":%s}}`, m.ID, m.Method, params)
	return err
}

func (f *fake) large(w io.Writer, n int) error {
	chunk := strings.Repeat("0123456789abcdef", 1024)
	for n > 0 {
		written, err := fmt.Fprint(w, chunk[:min(n, len(chunk))])
		if err != nil {
			return err
		}
		n -= written
		f.written.Add(int64(written))
	}
	return nil
}
