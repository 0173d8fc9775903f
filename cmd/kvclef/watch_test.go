package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanReceiver is a receiver of OTLP over HTTP.
type spanReceiver struct {
	mu    sync.Mutex
	spans []*otlp.Span
	heads []http.Header
}

func (r *spanReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(io.LimitReader(request.Body, 1<<20))
	var sent collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || request.URL.Path != "/v1/traces" {
		http.Error(w, "not traces", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heads = append(r.heads, request.Header)
	for _, resource := range sent.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// of returns the spans of a request, by its id.
func (r *spanReceiver) of(id string) []*otlp.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var trace []byte
	for _, span := range r.spans {
		for _, attribute := range span.GetAttributes() {
			if attribute.GetKey() == "kvclef.request" && attribute.GetValue().GetStringValue() == id {
				trace = span.GetTraceId()
			}
		}
	}
	var spans []*otlp.Span
	for _, span := range r.spans {
		if trace != nil && bytes.Equal(span.GetTraceId(), trace) {
			spans = append(spans, span)
		}
	}
	return spans
}

// lineage names a span and those above it.
func lineage(spans []*otlp.Span, span *otlp.Span) string {
	for _, parent := range spans {
		if bytes.Equal(parent.GetSpanId(), span.GetParentSpanId()) {
			return lineage(spans, parent) + " > " + span.GetName()
		}
	}
	return span.GetName()
}

// watched is the finished binary with all that an operator looks at.
type watched struct {
	*blackBox
	ipc           string
	http, metrics string
	secret        []byte
	receiver      *spanReceiver
	data          string
}

// startWatched starts it, with further settings of its vault.
func startWatched(t *testing.T, vault ...string) *watched {
	t.Helper()
	b := newBlackBox(t)
	w := &watched{blackBox: b, receiver: &spanReceiver{}, secret: bytes.Repeat([]byte{0x5e}, 32), ipc: filepath.Join(b.dir, "signer.ipc"), data: filepath.Join(b.dir, "data")}
	server := httptest.NewServer(w.receiver)
	t.Cleanup(server.Close)
	for name, text := range map[string]string{
		"jwt.hex":      hex.EncodeToString(w.secret),
		"otel.headers": "X-Scope: kvclef\n",
		"policy.yaml": `version: 1
chains: {dev: 1337}
rules:
  - {id: list, effect: allow, match: {principal: [local, batcher], kind: [list]}}
  - {id: say, effect: allow, match: {principal: [local], kind: [text]}}
  - id: pay
    effect: allow
    match: {principal: [local, batcher], key: [kv-prod/treasury], chain: [dev], plain: true, value_max: "1 wei"}
    limits: [{id: day, measure: value, max: "4 wei", window: 24h}]
`,
		"config.yaml": `
chainids: [1337]
listeners: {http: {enabled: true, port: 0, jwt: {secret_file: jwt.hex, secret_principal: batcher}}}
rules: {policy: policy.yaml}
vaults: [{` + strings.Join(append(vault, "url: https://kv-prod.vault.azure.net"), ", ") + `}]
metrics: {enabled: true, port: 0}
log: {format: json, level: debug}
tracing: {endpoint: "` + server.URL + `", headers_file: otel.headers}
`,
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop := b.start(t, w.ipc, b.azureVariables(),
		"dev", "--config", "config.yaml", "--datadir", w.data)
	t.Cleanup(stop)
	await(t, "the addresses", func() bool {
		text := b.output.String()
		w.http, w.metrics = found(text, `HTTP     (http://\S+)`), found(text, `Metrics  (http://\S+)/metrics`)
		return w.http != "" && w.metrics != ""
	})
	return w
}

func found(text, pattern string) string {
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	return match[1]
}

// answered is an answer of JSON-RPC.
type answered struct {
	Result json.RawMessage
	Error  struct {
		Message string
		Data    map[string]any
	}
}

// callIPC asks over the socket.
func (w *watched) callIPC(t *testing.T, method string, params ...any) (answer answered) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), w.ipc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var told rpc.Error
	switch err := client.CallContext(t.Context(), &answer.Result, method, params...); {
	case errors.As(err, &told):
		answer.Error.Message = told.Error()
		if detailed, ok := told.(rpc.DataError); ok {
			answer.Error.Data, _ = detailed.ErrorData().(map[string]any)
		}
	case err != nil:
		t.Fatal(err)
	}
	return answer
}

// call asks over HTTP, with a token.
func (w *watched) call(t *testing.T, traceparent, method string, params ...any) (answer answered) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.http, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(w.secret)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	if traceparent != "" {
		request.Header.Set("Traceparent", traceparent)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// get returns a page of those who watch.
func (w *watched) get(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.metrics+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (w *watched) transaction(account string) map[string]any {
	return map[string]any{
		"from": account, "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "value": "0x1", "gas": "0x5208", "nonce": "0x0", "chainId": "0x539",
		"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1",
	}
}

// TestOneRequestIsSeenEverywhere signs once with the finished binary and finds that
// signature in the trace, down to the vault's HTTP request, in the log, in the audit log
// and in the metrics.
func TestOneRequestIsSeenEverywhere(t *testing.T) {
	w := startWatched(t)
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	var accounts []string
	if err := json.Unmarshal(w.call(t, "", "account_list").Result, &accounts); err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, %v", accounts, err)
	}
	answer := w.call(t, "00-"+parent+"-00f067aa0ba902b7-00", "account_signTransaction", w.transaction(accounts[0]))
	if answer.Result == nil {
		t.Fatalf("not signed: %+v\n%s", answer.Error, w.output)
	}
	audit, err := os.ReadFile(filepath.Join(w.data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	id := found(string(audit), `"event":"decision","request":"([A-Z2-7]{26})"[^\n]*account_signTransaction`)
	if id == "" || strings.Count(string(audit), id) != 2 {
		t.Fatalf("the audit log has request %q\n%s", id, audit)
	}

	var spans []*otlp.Span
	await(t, "the trace of the request", func() bool {
		spans = w.receiver.of(id)
		return len(spans) >= 10
	})
	have := make(map[string]int)
	for _, span := range spans {
		have[lineage(spans, span)]++
		if got := hex.EncodeToString(span.GetTraceId()); got != parent {
			t.Errorf("span %s is of trace %s, not the caller's", span.GetName(), got)
		}
		for _, secret := range []string{w.vault.ClientSecret(), hex.EncodeToString(w.secret), "Bearer"} {
			if strings.Contains(span.String(), secret) {
				t.Errorf("a secret is in %s", span)
			}
		}
	}
	const root = "account_signTransaction"
	for line, n := range map[string]int{
		root: 1, root + " > queue": 1, root + " > decide": 1, root + " > decide > hold": 1, root + " > record": 2, root + " > sign": 1,
		root + " > sign > Client.Sign": 1, root + " > sign > Client.Sign > HTTP POST": 1, root + " > settle": 1,
	} {
		if have[line] != n {
			t.Errorf("%d spans %s, want %d; all: %v", have[line], line, n, have)
		}
	}
	if got := w.receiver.heads[0].Get("X-Scope"); got != "kvclef" {
		t.Errorf("the receiver got the header %q", got)
	}

	lines := 0
	for line := range strings.Lines(w.output.String()) {
		if strings.Contains(line, `"request_id":"`+id+`"`) && strings.Contains(line, `"trace_id":"`+parent+`"`) {
			lines++
		}
	}
	if lines < 2 {
		t.Errorf("%d lines of the log are of the request\n%s", lines, w.output)
	}
	if status, ready := w.get(t, "/readyz"); status != http.StatusOK || !strings.Contains(ready, `"ready":true`) || !strings.Contains(ready, `"vault kv-prod"`) {
		t.Errorf("readyz: %d %s", status, ready)
	}
	_, metrics := w.get(t, "/metrics")
	for _, line := range []string{
		`kvclef_requests_total{code="0",method="account_signTransaction",principal="batcher",verdict="approve"} 1`,
		`kvclef_limit_holds_total{result="held"} 1`, `kvclef_limit_used_ratio{limit="day"} 0.25`,
		`kvclef_vault_requests_total{operation="sign",status="2xx",vault="kv-prod"} 1`, `kvclef_policy_info{kind="policy",sha256="`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no line %s in\n%s", line, metrics)
		}
	}
	checkMetrics(t, metrics)
}

// checkMetrics has promtool look at metrics.
func checkMetrics(t *testing.T, metrics string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not there: install prometheus")
		}
		t.Log("promtool is not there: metrics are not checked")
		return
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(metrics)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestTracesHoldNobodyUp: a receiver that does not answer, and one that is not there, cost
// no signature.
func TestTracesHoldNobodyUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	for _, endpoint := range []string{server.URL, "http://127.0.0.1:1"} {
		cfg := tracingTo(t, endpoint)
		w, err := newWatch(t.Context(), cfg, newLogger(io.Discard, cfg.Log))
		if err != nil {
			t.Fatal(err)
		}
		account := accountWatched(t, w)
		for range 10_000 { // more than may wait
			if _, err := account.List(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // there is no time left for what waits
		w.close(ctx)
	}
}
