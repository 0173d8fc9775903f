package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNodeRedirects: what a node is asked with goes nowhere else.
func TestNodeRedirects(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("X-Api-Key") }))
	defer thief.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		node := httptest.NewServer(http.RedirectHandler(thief.URL+"/internal", status))
		n := newNode(node.URL, http.Header{"X-Api-Key": {"secret"}}, time.Second)
		if err := n.CallContext(t.Context(), nil, "eth_sendRawTransaction", "0x02"); err == nil {
			t.Errorf("%d: an answer of another counts as the node's", status)
		}
		n.close()
		node.Close()
	}
	if len(asked) > 0 {
		t.Errorf("another host got %q", <-asked)
	}
}

// TestNodeThatIsNotThere: whoever forgot to start it is told that nobody answered, not that
// the time to wait for it is over.
func TestNodeThatIsNotThere(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	n := newNode(gone.URL, nil, time.Minute)
	defer n.close()
	if _, err := chainOf(t.Context(), n, 2*time.Second); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "start it or give the id by --chainid") {
		t.Errorf("got %v", err)
	}
}

// TestNodeAnswersAreBounded: a node that never stops answering takes no more memory
// than the bound.
func TestNodeAnswersAreBounded(t *testing.T) {
	t.Parallel()
	const more = 1 << 20
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":"`)) // it may have hung up
		text := []byte(strings.Repeat("0", more))
		for range maxNodeAnswer/more + 8 {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
		_, _ = w.Write([]byte(`"}`))
	}))
	defer node.Close()
	n := newNode(node.URL, nil, patienceInTests)
	defer n.close()
	var result string
	if err := n.CallContext(t.Context(), &result, "eth_chainId"); !errors.Is(err, errLongAnswer) {
		t.Errorf("%d bytes, %v", len(result), err)
	}
}

// TestNodeIsAskedOverAConnection: what a node says of no call gets lost over WebSocket and IPC
// alone.
func TestNodeIsAskedOverAConnection(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://localhost:8545": false, "HTTPS://node.example/key": false, "ws://localhost:8546": true, "wss://node.example": true, "/run/geth.ipc": true, `\\.\pipe\geth.ipc`: true,
	} {
		if is := newNode(endpoint, nil, time.Second).SupportsSubscriptions(); is != want {
			t.Errorf("%s: %v", endpoint, is)
		}
	}
}
