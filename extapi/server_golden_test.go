package extapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// httpDeviations are the answers that differ from Clef's on purpose, by
// capture name (docs/compatibility.md, deviation 22).
var httpDeviations = map[string]httpAnswer{
	"http-origin":  {Status: http.StatusForbidden, Body: "origin not allowed\n"},
	"http-options": {Status: http.StatusForbidden, Body: "origin not allowed\n"},
}

type httpRequest struct {
	HTTP struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
	} `json:"http"`
	Body *string `json:"body"`
}

type httpAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// TestTransportCaptures replays what Clef 1.17.3 answered.
func TestTransportCaptures(t *testing.T) {
	vault := &holder{account: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")}
	account, err := NewAccount(Config{Decider: dead{}, Signer: vault, Auditor: new(entries), ChainIDs: []*big.Int{big.NewInt(1337)}})
	if err != nil {
		t.Fatal(err)
	}
	server := listeners(t, account, ServerConfig{})
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			if c.Transport == "http" {
				replayHTTP(t, server, c)
			} else {
				replayIPC(t, server, c)
			}
		})
	}
	if asked := vault.asked.Load(); asked != 0 {
		t.Errorf("%d signatures were asked for by notifications, want none", asked)
	}
}

func captures(t *testing.T) []goldenCapture {
	t.Helper()
	file, err := os.Open("testdata/transport.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []goldenCapture
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c goldenCapture
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if len(all) < 40 {
		t.Fatalf("%d captures, want 40 or more", len(all))
	}
	return all
}

func replayIPC(t *testing.T, server *Server, c goldenCapture) {
	client := dialIPC(t, server)
	request := string(c.Request)
	if request[0] == '"' {
		if err := json.Unmarshal(c.Request, &request); err != nil {
			t.Fatal(err)
		}
	}
	client.send(request + "\n")
	want := string(c.Response)
	if want == `"(no answer)"` {
		// What comes next is answered first: the rest of a truncated message,
		// or another call.
		next := `{"jsonrpc":"2.0","id":1,"method":"account_version"}`
		if strings.HasSuffix(request, `"method":`) {
			next = `"account_version"}`
		}
		client.send(next)
		want = `{"jsonrpc":"2.0","id":1,"result":"6.1.0"}`
	}
	if got := unnamed(t, client.answer()); !sameJSON(t, got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.Name == "err-malformed-json-2" {
		client.closed()
	}
}

func replayHTTP(t *testing.T, server *Server, c goldenCapture) {
	var request httpRequest
	var want httpAnswer
	if err := json.Unmarshal(c.Request, &request); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.Response, &want); err != nil {
		t.Fatal(err)
	}
	deviation, deviates := httpDeviations[c.Name]
	if deviates {
		want = deviation
	}

	body := requestBody(c.Name, request)
	r, err := http.NewRequestWithContext(t.Context(), request.HTTP.Method, "http://"+server.HTTPAddr()+request.HTTP.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range request.HTTP.Headers {
		r.Header.Set(name, value)
	}
	r.Host = request.HTTP.Headers["host"]
	r.Close = true
	r.Header.Set("Expect", "100-continue") // a body that is refused unread is not sent
	transport := &http.Transport{ExpectContinueTimeout: patience, DisableCompression: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	// Clef's results end in a newline and its errors don't; go-ethereum
	// v1.17.10 ends neither.
	if answer.StatusCode != want.Status || strings.TrimSpace(unnamed(t, string(got))) != strings.TrimSpace(want.Body) {
		t.Errorf("got  %d %s\nwant %d %s", answer.StatusCode, got, want.Status, want.Body)
	}
	if kind := want.Headers["content-type"]; kind != "" && answer.Header.Get("Content-Type") != kind {
		t.Errorf("content type %q, want %q", answer.Header.Get("Content-Type"), kind)
	}
	for name := range answer.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("answer has the CORS header %s", name)
		}
	}
}

// requestBody returns the body of a capture; two are shortened in the file.
// The chunked one is just above the limit, so that it is read to its end.
func requestBody(name string, request httpRequest) io.Reader {
	const call = `{"jsonrpc":"2.0","id":1,"method":"account_version","params":["`
	switch {
	case name == "http-body-6MiB":
		return io.MultiReader(strings.NewReader(call+strings.Repeat("0", 5<<20)+`"]}`), new(bytes.Buffer)) // chunked
	case name == "http-body-content-length":
		return strings.NewReader(call + strings.Repeat("0", 6291521-len(call)-3) + `"]}`)
	case request.Body == nil:
		return http.NoBody
	default:
		return strings.NewReader(*request.Body)
	}
}
