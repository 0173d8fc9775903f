package extapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
)

// TestScreen shows what the rpc server gets to read of each kind of message.
func TestScreen(t *testing.T) {
	const limit = 3
	for name, c := range map[string]struct {
		message, want string
		notifications int
	}{
		"call":                    {`{"jsonrpc":"2.0","id":1,"method":"account_list","params":[ 1 ]}`, `{"jsonrpc":"2.0","id":1,"method":"account_list","params":[ 1 ]}`, 0},
		"order and space":         {" {\n\"method\" : \"m\", \"id\":\t7 , \"jsonrpc\":\"2.0\" } ", `{"jsonrpc":"2.0","id":7,"method":"m"}`, 0},
		"unknown members":         {`{"jsonrpc":"2.0","id":1,"method":"m","x":{"id":2},"ID":3}`, `{"jsonrpc":"2.0","id":1,"method":"m"}`, 0},
		"escaped names":           {`{"jsonrpc":"2.0","\u0069d":1,"m\u0065thod":"m"}`, `{"jsonrpc":"2.0","id":1,"method":"m"}`, 0},
		"escaped backslash":       {`{"jsonrpc":"2.0","id":"\\","method":"m","params":["\\\"",{"\"}":"\\"}]}`, `{"jsonrpc":"2.0","id":"\\","method":"m","params":["\\\"",{"\"}":"\\"}]}`, 0},
		"id null":                 {`{"jsonrpc":"2.0","id":null,"method":"m"}`, `{"jsonrpc":"2.0","id":null,"method":"m"}`, 0},
		"id object":               {`{"jsonrpc":"2.0","id":{},"method":"m"}`, `{"jsonrpc":"2.0","id":{},"method":"m"}`, 0},
		"notification":            {`{"jsonrpc":"2.0","method":"account_list"}`, ``, 1},
		"of another namespace":    {`{"jsonrpc":"2.0","method":"rpc_modules"}`, ``, 1},
		"case of id":              {`{"jsonrpc":"2.0","method":"m","ID":1,"Id":2}`, ``, 1},
		"escaped method":          {`{"jsonrpc":"2.0","method":"\u0061ccount_list"}`, ``, 1},
		"with a result":           {`{"jsonrpc":"2.0","method":"m","result":1}`, ``, 1},
		"id twice":                {`{"jsonrpc":"2.0","id":1,"method":"m","id":2}`, `null`, 0},
		"id twice, escaped":       {`{"jsonrpc":"2.0","id":1,"method":"m","\u0069d":2}`, `null`, 0},
		"method twice":            {`{"jsonrpc":"2.0","method":"m","method":null}`, `null`, 0},
		"params twice":            {`{"jsonrpc":"2.0","id":1,"method":"m","params":[],"params":[]}`, `null`, 0},
		"no version, no id":       {`{"method":"account_list"}`, `{"method":"account_list"}`, 0},
		"version as number":       {`{"jsonrpc":2.0,"method":"m"}`, `{"jsonrpc":2.0,"method":"m"}`, 0},
		"method as number":        {`{"jsonrpc":"2.0","method":5}`, `{"jsonrpc":"2.0","method":5}`, 0},
		"empty object":            {`{}`, `{}`, 0},
		"answer":                  {`{"jsonrpc":"2.0","id":1,"result":1}`, ``, 0},
		"string":                  {`"hello"`, `"hello"`, 0},
		"null":                    {`null`, `null`, 0},
		"blank":                   {" \t\r\n", ``, 0},
		"empty batch":             {`[]`, `[]`, 0},
		"batch":                   {`[ 1, {"id":1,"method":"m","jsonrpc":"2.0"} ]`, `[1,{"jsonrpc":"2.0","id":1,"method":"m"}]`, 0},
		"batch of notifications":  {`[{"jsonrpc":"2.0","method":"m"},{"jsonrpc":"2.0","method":"m"}]`, ``, 2},
		"mixed batch":             {`[{"jsonrpc":"2.0","method":"m"},2,{"jsonrpc":"2.0","id":1,"error":{}}]`, `[2]`, 1},
		"nested batch":            {`[[{"jsonrpc":"2.0","method":"m"}]]`, `[[{"jsonrpc":"2.0","method":"m"}]]`, 0},
		"batch at the limit":      {`[1,2,3]`, `[1,2,3]`, 0},
		"batch above the limit":   {`[1,2,3,4,5,6]`, `[0,0,0,0]`, 0},
		"above, of notifications": {`[{"jsonrpc":"2.0","method":"m"},2,3,4,5]`, `[0,0,0,0]`, 0},
		"above, with a call":      {`[1,2,3,4,5,{"jsonrpc":"2.0","id":7,"method":"m"}]`, `[{"jsonrpc":"2.0","id":7,"method":"m"},0,0,0]`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := screen([]byte(c.message), limit)
			if strings.TrimSpace(string(got.frame)) != c.want || got.notifications != c.notifications {
				t.Errorf("got %s and %d notifications, want %s and %d", got.frame, got.notifications, c.want, c.notifications)
			}
		})
	}
}

// FuzzScreen compares a plain rpc server with one behind the screen: nothing
// runs unanswered behind it, and every answer is the same, but for messages
// with a member twice.
func FuzzScreen(f *testing.F) {
	for _, seed := range []string{
		versionCall, `[` + versionCall + `]`, `[]`, `null`, `"a"`, `{"jsonrpc":"2.0","method":"account_version"}`,
		`{"jsonrpc":"2.0","\u006dethod":"account_\u0076ersion"}`, `{"jsonrpc":"2.0","method":"account_version","ID":1}`,
		`{"jsonrpc":"2.0","id":1,"method":"account_version","id":{}}`, `[{"jsonrpc":"2.0","method":"account_version"},` + versionCall + `]`,
		`{"jsonrpc":"2.0","id":"\"{","method":"account_echo","params":["}\\\""]}`, `{"jsonrpc":"2.0","id":1,"result":[]}`,
		`{"jsonrpc":"2.0","method":"account_version","method":7}`, `[1,2,3,4,` + versionCall + `]`, `{"jsonrpc":"2.0","id":1,"method":"account_subscribe","params":["x"]}`,
		"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"account_version\"}", "[{\"jsonrpc\":\"2.0\",\"i\xffd\":1,\"method\":\"account_version\"}]",
	} {
		f.Add([]byte(seed))
	}
	const limit = 3
	p := new(counter)
	server := rpc.NewServer()
	server.SetBatchLimits(limit, 1<<20)
	if err := server.RegisterName("account", p); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if !json.Valid(message) {
			return
		}
		plain := serve(t, server, message)
		out := screen(message, limit)
		if len(out.frame) > len(message) || len(out.frame) > 0 && !json.Valid(out.frame) {
			t.Errorf("%q became %q", message, out.frame)
		}
		p.calls.Store(0)
		screened := serve(t, server, out.frame)
		if ran, answered := p.calls.Load(), strings.Count(screened, `"result":"`+Version); ran > int64(answered) {
			t.Errorf("%d calls ran and %d were answered: %q became %q", ran, answered, message, out.frame)
		}
		if plain != screened && !repeats(message) {
			t.Errorf("%q became %q\nplain    %s\nscreened %s", message, out.frame, plain, screened)
		}
	})
}

// counter is a receiver that counts its calls.
type counter struct{ calls atomic.Int64 }

func (c *counter) Version() string {
	c.calls.Add(1)
	return Version
}

// Echo returns its argument.
func (c *counter) Echo(s string) string { return s }

// serve returns an rpc server's answer to a body.
func serve(t *testing.T, server *rpc.Server, body []byte) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	server.ServeHTTP(w, r)
	return w.Body.String()
}

// repeats reports whether a message of the batch, or the message, has a member
// of the envelope twice.
func repeats(message []byte) bool {
	messages := []json.RawMessage{message}
	if trimmed := bytes.TrimLeft(message, " \t\r\n"); trimmed[0] == '[' {
		_ = json.Unmarshal(message, &messages) // valid JSON
	}
	for _, one := range messages {
		if one = bytes.TrimLeft(one, " \t\r\n"); len(one) == 0 || one[0] != '{' {
			continue
		}
		seen := make(map[string]bool)
		dec := json.NewDecoder(bytes.NewReader(one))
		_, _ = dec.Token()
		for dec.More() {
			name, _ := dec.Token()
			key, _ := name.(string)
			var value json.RawMessage
			_ = dec.Decode(&value)
			if seen[key] {
				return true
			}
			seen[key] = true
		}
	}
	return false
}
