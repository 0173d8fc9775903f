package extapi

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// TestPrincipalsAreTheListeners: the listener alone says who asks, whatever a
// caller says of itself.
func TestPrincipalsAreTheListeners(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	server := listeners(t, account, ServerConfig{AllowedOrigins: []string{"ipc"}})
	const call = `{"jsonrpc":"2.0","id":1,"method":"account_list"}`
	const named = `{"jsonrpc":"2.0","id":1,"method":"account_list","principal":"local","params":[]}`

	web := dialHTTP(t, server)
	web.post("X-Principal: local\r\nX-Forwarded-For: 10.1.2.3\r\nForwarded: for=local\r\nAuthorization: Basic bG9jYWw6\r\n"+
		"User-Agent: local\r\nOrigin: ipc\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", named)
	if _, text := web.answer(); !strings.Contains(text, `"result"`) {
		t.Fatal(text)
	}
	if req := decider.last(t); req.Principal != "anonymous" || req.Caller.Transport != "http" || !strings.HasPrefix(req.Caller.Remote, "127.0.0.1:") {
		t.Errorf("over HTTP %q asks, from %+v", req.Principal, req.Caller)
	}

	socket := dialIPC(t, server)
	for _, message := range []string{call, named} {
		socket.send(message)
		if text := socket.answer(); !strings.Contains(text, `"result"`) {
			t.Fatal(text)
		}
		if req := decider.last(t); req.Principal != "local" || req.Caller != (rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}) {
			t.Errorf("over IPC %q asks, from %+v", req.Principal, req.Caller)
		}
	}

	for _, transport := range []string{"", "ws", "stdio"} {
		if who := principalOf(rpc.PeerInfo{Transport: transport, RemoteAddr: "local"}); who != "" {
			t.Errorf("who came by %q is %q", transport, who)
		}
	}
}
