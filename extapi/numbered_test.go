package extapi

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

var numbered = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// TestAnswersNameTheRequest: each answer over HTTP names the request, by which the log
// has it, whatever the caller calls it, and each error does.
func TestAnswersNameTheRequest(t *testing.T) {
	decider := &denying{decision: rules.Decision{Verdict: rules.Reject, Rule: "rules.js:ApproveListing"}}
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
	log := new(journal)
	server := listeners(t, account, ServerConfig{Tokens: cards{}, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for name, c := range map[string]struct {
		token, host, body string
		status            int
		want              string
	}{
		"refused by a rule file": {"batcher", "", `{"jsonrpc":"2.0","id":1,"method":"account_list"}`, 200, `"code":-32000,"message":"request denied"`},
		"wrong parameters":       {"batcher", "", `{"jsonrpc":"2.0","id":1,"method":"account_list","params":[1]}`, 200, `"code":-32602`},
		"no such method":         {"batcher", "", `{"jsonrpc":"2.0","id":1,"method":"account_steal"}`, 200, `"code":-32601`},
		"malformed":              {"batcher", "", `{`, 200, `"code":-32700`},
		"unknown caller":         {"bad", "", `{}`, 401, "invalid token"},
		"host":                   {"batcher", "evil.example", `{}`, 403, "invalid host specified"},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Authorization", "Bearer "+c.token)
			request.Header.Set(RequestHeader, "forged")
			request.Host = cmp.Or(c.host, "localhost")
			answer := httptest.NewRecorder()
			newHTTPHandler(server.cfg, server.rpc, server.callers, server.refused).ServeHTTP(answer, request)
			if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.want) {
				t.Errorf("%d %s, want %d %s", answer.Code, answer.Body, c.status, c.want)
			}
			ids := answer.Header().Values(RequestHeader)
			if len(ids) != 1 || !numbered.MatchString(ids[0]) {
				t.Fatalf("ids %q", ids)
			}
			if c.status == http.StatusOK && !strings.Contains(answer.Body.String(), `,"data":{"request":"`+ids[0]+`"}}}`) {
				t.Errorf("%s names another request than %s", answer.Body, ids[0])
			}
			if decided := name == "refused by a rule file"; decided != (ids[0] == decider.request) {
				t.Errorf("the caller is told %s, and %s was decided", ids[0], decider.request)
			} else if !decided && log.count("request_id="+ids[0]) != 1 {
				t.Error("the log does not know the request")
			}
		})
	}
	if log.count("forged") != 0 {
		t.Error("a caller's own id is in the log")
	}
}

// TestBatchesNameTheirCalls: the first call has the id of the answer, the others that
// with their place, so that no two are taken for each other.
func TestBatchesNameTheirCalls(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	web := dialHTTP(t, listeners(t, account, ServerConfig{}))
	const call = `{"jsonrpc":"2.0","id":1,"method":"account_list"}`
	web.post("", "["+call+","+call+`,{"jsonrpc":"2.0","id":2,"method":"account_steal"},`+call+"]")
	answer, err := http.ReadResponse(web.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	id := answer.Header.Get(RequestHeader)
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if told := `not available","data":{"request":"` + id + `-4"}}}`; !strings.Contains(string(body), told) {
		t.Errorf("answered %s, want %s", body, told)
	}
	var got []string
	decider.mu.Lock()
	for _, request := range decider.requests {
		got = append(got, request.ID)
	}
	decider.mu.Unlock()
	if want := id + " " + id + "-2 " + id + "-3"; !numbered.MatchString(id) || strings.Join(got, " ") != want {
		t.Errorf("decided %q, want %q", got, want)
	}
}

// TestNoIDIsGivenTwice: to a decision of a call of a batch, nor to one of another, and the
// first of each call has the id that the call is answered with.
func TestNoIDIsGivenTwice(t *testing.T) {
	batch := NumberedContext(t.Context())
	id := OriginID(batch)
	seen := make(map[string]bool)
	for i := range 3 {
		call := NumberedCall(batch)
		if i == 1 {
			NumberedCall(batch) // is answered with an error, without a decision
		}
		first := nextID(call)
		for _, got := range []string{first, nextID(call), nextID(call)} {
			if seen[got] || !strings.HasPrefix(got, id) || strings.Count(got, "-") > 1 {
				t.Errorf("call %d: %s, after %v", i, got, seen)
			}
			seen[got] = true
		}
		if first != OriginID(call) || i == 0 && first != id {
			t.Errorf("call %d of %s is answered with %s, and %s was decided", i, id, OriginID(call), first)
		}
	}
}
