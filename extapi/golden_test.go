package extapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// goldenCapture is one exchange with Clef.
type goldenCapture struct {
	Name      string          `json:"name"`
	Transport string          `json:"transport"`
	Request   json.RawMessage `json:"request"`
	Response  json.RawMessage `json:"response"`
}

// goldenHTTP is the form of request and response of an HTTP row.
type goldenHTTP struct {
	HTTP struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
	} `json:"http"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"`
}

const noAnswer = `"(no answer)"`

// TestGolden replays every capture. An answer must be Clef's, token for token
// and in Clef's order, unless golden_deviations_test.go has it.
func TestGolden(t *testing.T) {
	captures := readCaptures(t)
	if len(captures) != 193 {
		t.Fatalf("%d captures, want 193", len(captures))
	}
	plain := startGolden(t, nil)
	advanced := startGolden(t, func(cfg *Config) { cfg.Advanced = true })
	shy := startGolden(t, func(cfg *Config) { cfg.Decider = &captureRules{rejectListing: true} })
	used := make(map[string]bool)
	for _, c := range captures {
		t.Run(c.Name, func(t *testing.T) {
			if testing.Short() && strings.HasPrefix(c.Name, "blob-sidecar") {
				t.Skip("computes proofs, for a minute under the race detector")
			}
			endpoint := plain
			switch {
			case c.Name == "adv-list-reject":
				endpoint = shy
			case strings.HasPrefix(c.Name, "adv-"):
				endpoint = advanced
			}
			want := string(c.Response)
			if deviation, listed := deviations[c.Name]; listed {
				used[c.Name] = true
				if deviation.number == 0 || deviation.answer == want {
					t.Errorf("a deviation needs a number and an answer of its own")
				}
				want = deviation.answer
			}
			if c.Transport == "http" {
				endpoint.replayHTTP(t, c, want)
			} else {
				endpoint.replayIPC(t, c, want)
			}
		})
	}
	for name := range deviations {
		if !used[name] {
			t.Errorf("deviation %q is of no capture", name)
		}
	}
}

func readCaptures(t testing.TB) []goldenCapture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "clef-captures.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var captures []goldenCapture
	for decoder := json.NewDecoder(bytes.NewReader(raw)); ; {
		var c goldenCapture
		if err := decoder.Decode(&c); errors.Is(err, io.EOF) {
			return captures
		} else if err != nil {
			t.Fatal(err)
		}
		captures = append(captures, c)
	}
}

// expand puts back what was elided from a capture.
func expand(text string) string {
	const point = "0xc0" + "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	proofs := strings.TrimSuffix(strings.Repeat(`"`+point+`",`, 128), ",")
	return strings.NewReplacer(
		"<131072 zero bytes>", strings.Repeat("00", 131072),
		"<131074 zero bytes>", strings.Repeat("00", 131074),
		"<3145728 zero bytes>", strings.Repeat("00", 3145728),
		`"0xc0000000000000000000…"`, `"`+point+`"`,
		`"<128 cell proofs>"`, proofs,
		`"`+point+`","… 128 proofs"`, proofs,
	).Replace(text)
}

// goldenEndpoint is a signer that listens on IPC and HTTP.
type goldenEndpoint struct{ ipc, http string }

func startGolden(t *testing.T, change func(*Config)) goldenEndpoint {
	t.Helper()
	account, _ := newTestAccount(t, change)
	server := listeners(t, account, ServerConfig{})
	return goldenEndpoint{ipc: server.cfg.IPCPath, http: "http://" + server.HTTPAddr()}
}

// replayIPC sends a request on a connection of its own. A second request
// behind it shows where no answer comes.
func (e goldenEndpoint) replayIPC(t *testing.T, c goldenCapture, want string) {
	t.Helper()
	connection, err := new(net.Dialer).DialContext(t.Context(), "unix", e.ipc)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	request := []byte(expand(string(c.Request)))
	if request[0] == '"' {
		var text string
		if err := json.Unmarshal(request, &text); err != nil {
			t.Fatal(err)
		}
		request = []byte(text)
	}
	if want == noAnswer {
		// What waits for more is completed, what needs no answer is followed.
		follow := `{"jsonrpc":"2.0","id":1,"method":"account_version"}`
		if !json.Valid(request) {
			follow = `"account_version"}`
		}
		request = append(request, follow...)
		want = `{"jsonrpc":"2.0","id":1,"result":"6.1.0"}`
	}
	if err := connection.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write(append(request, '\n')); err != nil {
		t.Fatal(err)
	}
	var answer json.RawMessage
	if err := json.NewDecoder(bufio.NewReader(connection)).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	compareJSON(t, unnamed(t, string(answer)), want)
	checkSender(t, answer)
}

// unnamed takes the ids of requests off errors, in which Clef has none: they are others
// each time. Each error has one.
func unnamed(t *testing.T, answer string) string {
	t.Helper()
	ids := errorID.FindAllString(answer, -1)
	if errors := strings.Count(answer, `,"error":{`); len(ids) != errors {
		t.Errorf("%d of %d errors have an id: %s", len(ids), errors, answer)
	}
	return errorID.ReplaceAllString(answer, `}`)
}

var errorID = regexp.MustCompile(`,"data":\{"request":"[A-Z2-7]{26}(-[0-9]+)?"\}\}`)

// replayHTTP sends a request over HTTP. Of the headers, those that were
// captured are compared.
func (e goldenEndpoint) replayHTTP(t *testing.T, c goldenCapture, want string) {
	t.Helper()
	var sent, expected goldenHTTP
	if err := json.Unmarshal(c.Request, &sent); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	var body io.Reader
	if sent.Body != nil {
		body = strings.NewReader(expand(*sent.Body))
	}
	if c.Name == "http-body-6MiB" {
		body = struct{ io.Reader }{body} // sent in chunks, as captured
	}
	if c.Name == "http-body-content-length" {
		body = io.LimitReader(zeros{}, 6291521) // shortened in the file
	}
	request, err := http.NewRequestWithContext(t.Context(), sent.HTTP.Method, e.http+sent.HTTP.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range sent.HTTP.Headers {
		switch name {
		case "host":
			request.Host = value
		case "content-length":
			request.ContentLength = 6291521
			request.Header.Set("Expect", "100-continue") // the answer comes before the body
		default:
			request.Header.Set(name, value)
		}
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != expected.Status {
		t.Errorf("status %d, want %d (%s)", response.StatusCode, expected.Status, answer)
	}
	for name, value := range expected.Headers {
		if got := response.Header.Get(name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
	if got := response.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a CORS header %q", got)
	}
	// go-ethereum ended its answers with a newline until after v1.17.3.
	if got, wanted := strings.TrimSuffix(unnamed(t, string(answer)), "\n"), strings.TrimSuffix(*expected.Body, "\n"); got != wanted {
		t.Errorf("body\n %q, want\n %q", got, wanted)
	}
}

// zeros reads as the digit 0 without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// compareJSON compares answers token for token. An expected string that ends in
// an ellipsis was shortened in the file.
func compareJSON(t *testing.T, got, want string) {
	t.Helper()
	have, wanted := tokens(t, got), tokens(t, expand(want))
	for i := range min(len(have), len(wanted)) {
		short, shortened := wanted[i].(string)
		if shortened && strings.HasSuffix(short, "…") {
			long, _ := have[i].(string)
			if strings.HasPrefix(long, strings.TrimSuffix(short, "…")) {
				continue
			}
		}
		if have[i] != wanted[i] {
			t.Fatalf("token %d is %v, want %v in the answer\n %.2000s\nwant\n %.2000s", i, have[i], wanted[i], got, want)
		}
	}
	if len(have) != len(wanted) {
		t.Fatalf("%d tokens, want %d in the answer\n %.2000s\nwant\n %.2000s", len(have), len(wanted), got, want)
	}
}

func tokens(t *testing.T, text string) []json.Token {
	t.Helper()
	var list []json.Token
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("%v in %.200s", err, text)
		}
		list = append(list, token)
	}
}

// checkSender recovers the sender of a signed transaction, from both forms.
func checkSender(t *testing.T, answer json.RawMessage) {
	t.Helper()
	var signed struct {
		Result struct {
			Raw string             `json:"raw"`
			Tx  *types.Transaction `json:"tx"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &signed); err != nil || signed.Result.Tx == nil {
		return // another method's answer, or an error
	}
	raw := new(types.Transaction)
	if err := raw.UnmarshalBinary(common.FromHex(signed.Result.Raw)); err != nil {
		t.Fatal(err)
	}
	for _, tx := range []*types.Transaction{raw, signed.Result.Tx} {
		sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		if err != nil || sender != common.HexToAddress(testAddress) {
			t.Errorf("the sender is %v (%v), want %s", sender, err, testAddress)
		}
	}
}
