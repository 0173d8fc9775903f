package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
)

// plainNode answers every call over HTTP with 0x539, and eth_estimateGas with an error.
func plainNode(w http.ResponseWriter, r *http.Request) {
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	told := `"result":"0x539"`
	if call.Method == "eth_estimateGas" {
		told = `"error":{"code":3,"message":"execution reverted"}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(call.ID)+`,`+told+`}`) // the caller may be gone
}

// TestCallsInFrontOfANodeAreCounted: the finished binary in front of a node counts what
// passes, what it answers itself, and what goes wrong on the way.
func TestCallsInFrontOfANodeAreCounted(t *testing.T) {
	b := newBlackBox(t)
	node := httptest.NewServer(http.HandlerFunc(plainNode))
	defer node.Close()
	for name, text := range map[string]string{
		"policy.yaml": "version: 1\nrules:\n  - {id: list, effect: allow, match: {kind: [list]}}\n",
		"config.yaml": `
chainids: [1337]
datadir: data
rules: {policy: policy.yaml}
proxy: {node: "` + node.URL + `", addr: 127.0.0.1, port: 0, other_accounts: forward}
vaults: [{url: "https://kv-prod.vault.azure.net"}]
metrics: {enabled: true, port: 0}
`,
	} {
		b.write(t, name, text)
	}
	for _, args := range [][]string{{"init", "--config", "config.yaml"}, {"rules", "attest", "policy.yaml", "--config", "config.yaml"}} {
		if _, err := b.run(t, b.azureVariables(), args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, b.output)
		}
	}
	stop := b.start(t, filepath.Join(b.dir, "signer.ipc"), b.azureVariables(), "proxy", "--config", "config.yaml")
	defer stop()
	w := &watched{blackBox: b}
	await(t, "the addresses", func() bool {
		text := b.output.String()
		w.http, w.metrics = found(text, `Proxy +(http://\S+)`), found(text, `Metrics +(http://\S+)/metrics`)
		return w.http != "" && w.metrics != ""
	})
	ask := func(endpoint, method string, works bool, params ...any) {
		t.Helper()
		client, err := rpc.DialContext(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var result any
		if err := client.CallContext(t.Context(), &result, method, params...); (err == nil) != works {
			t.Errorf("%s: %v, %v", method, result, err)
		}
	}
	theirs := map[string]string{"from": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"}
	for _, endpoint := range []string{w.http, "ws" + strings.TrimPrefix(w.http, "http")} {
		ask(endpoint, "eth_blockNumber", true)
		ask(endpoint, "eth_madeUp", true)
		ask(endpoint, "eth_estimateGas", false)
		ask(endpoint, "debug_traceCall", false)
		ask(endpoint, "eth_sendTransaction", true, theirs)
	}
	node.Close()
	ask(w.http, "eth_blockNumber", false)
	ask(w.http, "eth_sendTransaction", false, theirs)

	var metrics string
	for _, line := range []string{
		`kvclef_proxy_calls_total{method="eth_blockNumber",outcome="ok"} 2`,
		`kvclef_proxy_calls_total{method="eth_blockNumber",outcome="unreachable"} 1`,
		`kvclef_proxy_calls_total{method="other",outcome="ok"} 2`,
		`kvclef_proxy_calls_total{method="eth_estimateGas",outcome="error"} 2`,
		`kvclef_proxy_calls_total{method="debug_traceCall",outcome="refused"} 2`,
		`kvclef_proxy_calls_total{method="eth_sendTransaction",outcome="ok"} 2`,
		`kvclef_proxy_calls_total{method="eth_sendTransaction",outcome="unreachable"} 1`,
		`kvclef_proxy_call_duration_seconds_count{method="eth_blockNumber"} 3`,
	} {
		await(t, line, func() bool {
			_, metrics = w.get(t, "/metrics")
			return strings.Contains(metrics, line+"\n")
		})
	}
	checkMetrics(t, metrics)
}
