package proxy

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// ear is an observer that counts what it is told, as "method outcome".
type ear struct {
	mu   sync.Mutex
	told map[string]int
	more chan struct{}
}

func newEar() *ear { return &ear{told: make(map[string]int), more: make(chan struct{}, 1)} }

func (e *ear) Called(method string, outcome Outcome, took time.Duration) {
	e.mu.Lock()
	e.told[fmt.Sprint(method, " ", outcome)]++
	if took < 0 || took > time.Minute {
		e.told["took "+took.String()]++
	}
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.told)
}

// await waits until what was told is as wanted: a caller may have its answer before
// that.
func (e *ear) await(tb testing.TB, what string, wanted func(map[string]int) bool) {
	tb.Helper()
	limit := time.After(time.Minute)
	for {
		e.mu.Lock()
		got := maps.Clone(e.told)
		e.mu.Unlock()
		if wanted(got) {
			return
		}
		select {
		case <-e.more:
		case <-limit:
			tb.Fatalf("told %v, not %s", got, what)
		}
	}
}

func (e *ear) awaitExactly(tb testing.TB, want map[string]int) {
	tb.Helper()
	e.await(tb, fmt.Sprint(want), func(got map[string]int) bool { return maps.Equal(got, want) })
}

func TestCallsAreTold(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		told := newEar()
		cfg.Methods, cfg.Observer = ours(), told
		p := started(t, cfg)
		for name, c := range map[string]struct {
			body string
			want map[string]int
		}{
			"passed":                 {`{"id":1,"method":"eth_call"}`, map[string]int{"eth_call ok": 1}},
			"a name made up":         {`{"id":1,"method":"eth_madeUp"}`, map[string]int{" ok": 1}},
			"an error":               {`{"id":1,"method":"fake_error"}`, map[string]int{" error": 1}},
			"a batch":                {`[{"id":1,"method":"eth_call"},{"id":"a","method":"fake_error"},{"id":2,"method":"eth_chainId"}]`, map[string]int{"eth_call ok": 1, " error": 1, "eth_chainId ok": 1}},
			"a mixed batch":          {`[{"id":1,"method":"eth_call"},{"id":"a","method":"fake_error"},{"jsonrpc":"2.0","id":2,"method":"eth_accounts"}]`, map[string]int{"eth_call ok": 1, " error": 1, "eth_accounts ok": 1}},
			"left out":               {`[{"id":1,"method":"fake_omit"},{"id":3,"method":"eth_call"},{"jsonrpc":"2.0","id":2,"method":"eth_accounts"}]`, map[string]int{"eth_call ok": 1, " invalid": 1, "eth_accounts ok": 1}},
			"an error for all":       {`[{"id":2,"method":"fake_refuse"},{"id":1,"method":"eth_call"}]`, map[string]int{"eth_call error": 1, " error": 1}},
			"the same, mixed":        {`[{"id":2,"method":"fake_refuse"},{"id":1,"method":"eth_call"},{"jsonrpc":"2.0","id":3,"method":"our_null"}]`, map[string]int{"eth_call error": 1, " error": 1, "our_null ok": 1}},
			"denied":                 {`{"id":1,"method":"debug_traceCall"}`, map[string]int{"debug_traceCall refused": 1}},
			"malformed":              {`{"id":1,"method":"eth_call","x":1}`, map[string]int{"eth_call refused": 1}},
			"no JSON":                {`{`, map[string]int{" refused": 1}},
			"no calls":               {`[]`, map[string]int{" refused": 1}},
			"a method that fails":    {`{"jsonrpc":"2.0","id":1,"method":"our_fail"}`, map[string]int{"our_fail error": 1}},
			"a method that crashes":  {`{"jsonrpc":"2.0","id":1,"method":"our_crash"}`, map[string]int{"our_crash error": 1}},
			"noted here":             {`{"jsonrpc":"2.0","method":"eth_accounts"}`, map[string]int{"eth_accounts refused": 1}},
			"noted":                  {`{"method":"eth_call"}`, map[string]int{"eth_call ok": 1}},
			"noted in a batch":       {`[{"method":"eth_call"},{"id":1,"method":"eth_chainId"}]`, map[string]int{"eth_call ok": 1, "eth_chainId ok": 1}},
			"large":                  {`{"id":1,"method":"fake_big","params":[200000]}`, map[string]int{" ok": 1}},
			"large, and its id last": {`{"id":1,"method":"fake_bigTail","params":[200000]}`, map[string]int{" ok": 1}},
			"large, and fails":       {`{"id":1,"method":"fake_bigFail","params":[200000]}`, map[string]int{" error": 1}},
			"and its id last":        {`{"id":1,"method":"fake_bigFailTail","params":[200000]}`, map[string]int{" error": 1}},
			"less, and fails":        {`{"id":1,"method":"fake_bigFail","params":[2000]}`, map[string]int{" error": 1}},
			"garbage":                {`{"id":1,"method":"fake_garbage"}`, map[string]int{" invalid": 1}},
			"cut":                    {`{"id":1,"method":"fake_cut"}`, map[string]int{" unreachable": 1}},
			"large and cut":          {`{"id":1,"method":"fake_bigCut"}`, map[string]int{" unreachable": 1}},
			"a page":                 {`{"id":1,"method":"fake_html"}`, map[string]int{" unreachable": 1}},
		} {
			for _, by := range []string{"POST", "WebSocket"} {
				t.Run(way+" "+by+" "+name, func(t *testing.T) {
					told.forget()
					if by == "POST" {
						send(t, p, http.MethodPost, c.body, nil)
					} else {
						tell(t, dial(t, p, nil), c.body)
					}
					want := c.want
					if name == "a page" && (way == "http" || way == "http+ws" && by == "POST") {
						want = map[string]int{" invalid": 1}
					}
					told.awaitExactly(t, want)
				})
			}
		}
	}
}

// TestLostCallsAreTold: calls that get no answer are told of when they end.
func TestLostCallsAreTold(t *testing.T) {
	const body = `[{"id":1,"method":"eth_call"},{"id":2,"method":"fake_hang"}]`
	for _, way := range []string{"http", "http+ws", "ws", "ipc"} {
		t.Run(way+" POST the node is slow", func(t *testing.T) {
			p, told, _ := toldOfLost(t, way, 200*time.Millisecond)
			send(t, p, http.MethodPost, body, nil)
			told.awaitExactly(t, map[string]int{"eth_call timeout": 1, " timeout": 1})
		})
		t.Run(way+" WebSocket the node is slow", func(t *testing.T) {
			p, told, _ := toldOfLost(t, way, 200*time.Millisecond)
			tell(t, dial(t, p, nil), body)
			told.awaitExactly(t, map[string]int{"eth_call timeout": 1, " timeout": 1})
		})
		t.Run(way+" POST the caller hangs up", func(t *testing.T) {
			p, told, hung := toldOfLost(t, way, 0)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-hung
				cancel()
			}()
			sendContext(ctx, t, p, http.MethodPost, body, nil)
			told.awaitExactly(t, map[string]int{"eth_call canceled": 1, " canceled": 1})
		})
		t.Run(way+" WebSocket the caller hangs up", func(t *testing.T) {
			p, told, hung := toldOfLost(t, way, 0)
			conn := dial(t, p, nil)
			tell(t, conn, body)
			<-hung
			conn.Close()
			told.awaitExactly(t, map[string]int{"eth_call canceled": 1, " canceled": 1})
		})
	}
}

// toldOfLost returns a proxy in front of a node that was asked for nothing yet, who is
// told of its calls, and what tells that one hangs at the node.
func toldOfLost(t *testing.T, way string, patience time.Duration) (p *Proxy, told *ear, hung <-chan struct{}) {
	t.Helper()
	f, told := newFake(t), newEar()
	cfg := configs(f)[way]
	cfg.Observer, cfg.NodeTimeout = told, patience
	return started(t, cfg), told, f.hung
}

func TestCallsOfANodeThatIsDownAreTold(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	for _, cfg := range []Config{{Node: "http://" + closed}, {Node: "http://" + closed, NodeWS: "ws://" + closed}, {Node: "ws://" + closed}, {Node: t.TempDir() + "/none.ipc"}} {
		told := newEar()
		cfg.Observer = told
		p := started(t, cfg)
		post(t, p, `{"id":1,"method":"eth_call"}`)
		conn := dial(t, p, nil)
		tell(t, conn, `{"id":1,"method":"eth_call"}`)
		told.awaitExactly(t, map[string]int{"eth_call unreachable": 2})
	}
}

// TestEncodedErrorsAreTold: clients in Go and others ask for gzip, and so does every
// error come.
func TestEncodedErrorsAreTold(t *testing.T) {
	fault := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":3,"message":"` + strings.Repeat("x", 5000) + `"}}`
	}
	answer := ""
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", r.Header.Get("Accept-Encoding"))
		if r.Header.Get("Accept-Encoding") != "gzip" {
			fmt.Fprint(w, answer)
			return
		}
		out := gzip.NewWriter(w)
		fmt.Fprint(out, answer)
		out.Close()
	}))
	defer node.Close()
	told := newEar()
	p := started(t, Config{Node: node.URL, Observer: told})
	const one, two = `{"id":1,"method":"eth_call"}`, `[{"id":1,"method":"eth_call"},{"id":2,"method":"eth_getLogs"}]`
	for _, c := range []struct {
		encoding, body, answer string
		want                   map[string]int
	}{
		{"gzip", one, fault("1"), map[string]int{"eth_call error": 1}},
		{"gzip", one, `{"jsonrpc":"2.0","id":1,"result":"error"}`, map[string]int{"eth_call ok": 1}},
		{"gzip", two, "[" + fault("1") + "," + fault("2") + "]", map[string]int{"eth_call error": 1, "eth_getLogs error": 1}},
		{"gzip", two, `[{"id":1,"result":1},` + fault("2") + "]", map[string]int{"eth_call ok": 1, "eth_getLogs error": 1}},
		{"br", one, fault("1"), map[string]int{"eth_call ok": 1}}, // it can't be read
	} {
		told.forget()
		answer = c.answer
		if got := send(t, p, http.MethodPost, c.body, map[string]string{"Accept-Encoding": c.encoding}); got.err != nil || got.status != http.StatusOK {
			t.Fatalf("got %+v", got)
		}
		told.awaitExactly(t, c.want)
	}
}

func TestFaultsIn(t *testing.T) {
	for text, want := range map[string][2]bool{ // of the calls 1 and "a"
		`{"jsonrpc":"2.0","id":1,"result":{"error":1}}`: {false, false},
		`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`:   {true, true},
		`{ "id" : 1 , "error" : {`:                      {true, true},
		`{"id":1,"result":null,"error":{"code":1}}`:     {true, true},
		`{"id":1,"error":null,"result":5}`:              {false, false},
		`{"id":1,"result":[{}],"error":{"code":1}}`:     {true, true},
		`{"id":1,"result":[{}],"error" : null}`:         {false, false},
		`{"id":1,"result":"` + strings.Repeat("x", 100): {false, false},
		`{"id":1,"res`: {false, false},
		`[{"id":1.0,"error":{}},{"id":"a","result":1}]`:                 {true, false},
		`[{"error":{},"id":"\u0061"},{"id":1,"result":1,"error":null}]`: {false, true},
		`[{"id":1,"error":{}},{"id":"a","error`:                         {true, false},
		`[]`:                                                            {false, false},
		``:                                                              {false, false},
		`nonsense`:                                                      {false, false},
	} {
		f := faultsIn([]byte(text))
		got := [2]bool{f.outcome([]byte("1")) == OutcomeError, f.outcome([]byte(`"a"`)) == OutcomeError}
		if got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}
