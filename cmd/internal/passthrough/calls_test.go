package passthrough_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/extapi/proxy"
)

// ways are the proxies in front of a node, by how they reach it.
func ways(n *devnet.DevNode) map[string]proxy.Config {
	return map[string]proxy.Config{
		"http":    {Node: n.HTTP()},
		"http+ws": {Node: n.HTTP(), NodeWS: n.WS()},
		"ws":      {Node: n.WS()},
		"ipc":     {Node: n.IPC()},
	}
}

// accounts are what eth_accounts answers here.
func accounts() map[string]proxy.Method {
	return map[string]proxy.Method{"eth_accounts": func(context.Context, json.RawMessage) (any, error) {
		return []string{"0x00000000000000000000000000000000000000aa"}, nil
	}}
}

// ask sends a body and returns status, content encoding and body of the answer.
func ask(tb testing.TB, url, body, accept string) string {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if accept != "" {
		request.Header.Set("Accept-Encoding", accept)
	}
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer.Status + " " + answer.Header.Get("Content-Type") + " " + answer.Header.Get("Content-Encoding") + "\n" + string(text)
}

// TestAnswersAreGeths sends the same to geth and through the proxy.
func TestAnswersAreGeths(t *testing.T) {
	n := node(t)
	for way, cfg := range ways(n) {
		cfg.Methods = accounts()
		p := start(t, cfg)
		for name, body := range map[string]string{
			"number":        `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`,
			"ids":           `{"jsonrpc":"2.0","id":"a\"\u00e9","method":"eth_chainId","params":[]}`,
			"float":         `{"jsonrpc":"2.0","id":1.0,"method":"eth_chainId","params":[]}`,
			"null":          `{"jsonrpc":"2.0","id":null,"method":"eth_chainId","params":[]}`,
			"block":         `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}`,
			"unknown":       `{"jsonrpc":"2.0","id":1,"method":"eth_nothing","params":[]}`,
			"bad params":    `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[5]}`,
			"no params":     `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":null}`,
			"failing":       `{"jsonrpc":"2.0","id":1,"method":"eth_estimateGas","params":[{"data":"0x60006000fd"}]}`,
			"no version":    `{"id":1,"method":"eth_chainId"}`,
			"batch":         `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":1.0,"method":"eth_nothing"},{"jsonrpc":"2.0","id":"1","method":"net_version"}]`,
			"notifications": `[{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}]`,
			"no JSON":       `{`,
			"empty batch":   `[]`,
			"subscribing":   `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`,
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				direct, through := ask(t, n.HTTP(), body, ""), ask(t, "http://"+p.Addr(), body, "")
				if strings.TrimSpace(direct) != strings.TrimSpace(unnamed(through)) {
					t.Errorf("got %s, geth says %s", through, direct)
				}
			})
		}
		t.Run(way+" mixed", func(t *testing.T) {
			got := ask(t, "http://"+p.Addr(), `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":1.0,"method":"eth_accounts"},{"jsonrpc":"2.0","id":"2","method":"net_version"},{"jsonrpc":"2.0","id":4,"method":"debug_setHead","params":["0x0"]}]`, "")
			want := `[{"jsonrpc":"2.0","id":1,"result":"0x539"},{"jsonrpc":"2.0","id":1.0,"result":["0x00000000000000000000000000000000000000aa"]},{"jsonrpc":"2.0","id":"2","result":"1337"},{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"the method debug_setHead does not exist/is not available"}}]`
			if !strings.HasSuffix(unnamed(got), "\n"+want) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("gzip", func(t *testing.T) {
		p := start(t, proxy.Config{Node: n.HTTP()})
		body := `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}`
		direct, through := ask(t, n.HTTP(), body, "gzip"), ask(t, "http://"+p.Addr(), body, "gzip")
		if direct != through || !strings.HasPrefix(through, "200 OK application/json gzip\n") {
			t.Errorf("got %q, geth says %q", through, direct)
		}
	})
}

// unnamed takes the ids of requests off errors that the proxy makes.
func unnamed(answer string) string { return errorID.ReplaceAllString(answer, "") }

var errorID = regexp.MustCompile(`,"data":\{(?:"reason":"[^"]+",)?"request":"[A-Z2-7]{26}(-[0-9]+)?"\}`)

// TestLargeAnswers asks for 4 MB of zeros that a call returns.
func TestLargeAnswers(t *testing.T) {
	n := node(t)
	const size = 4 << 20
	call := []any{
		map[string]any{"to": "0x00000000000000000000000000000000000000bb"},
		"latest",
		map[string]any{"0x00000000000000000000000000000000000000bb": map[string]any{"code": "0x624000006000f3"}}, // return(0, 4 MiB)
	}
	for way, cfg := range ways(n) {
		p := start(t, cfg)
		for _, url := range []string{"http://" + p.Addr(), "ws://" + p.Addr()} {
			t.Run(way+" "+url[:4], func(t *testing.T) {
				client := connect(t, url)
				for range 2 {
					var result hexutil.Bytes
					if err := client.CallContext(t.Context(), &result, "eth_call", call...); err != nil || len(result) != size {
						t.Fatal(err, len(result))
					}
				}
			})
		}
	}
}

func connect(tb testing.TB, url string) *rpc.Client {
	tb.Helper()
	client, err := rpc.DialContext(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}
