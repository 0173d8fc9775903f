package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi"
)

var errorID = regexp.MustCompile(`,"data":\{(?:"reason":"[^"]+",)?"request":"([A-Z2-7]{26}(?:-[0-9]+)?)"\}\}`)

// unnamed takes the ids of requests off errors: they are others each time.
func unnamed(answer string) string { return errorID.ReplaceAllString(answer, `}`) }

// waitingError has data with room for the id of the request.
type waitingError struct{ error }

func (waitingError) ErrorData() any { return waitingData{3} }

type waitingData struct{ After int }

func (d waitingData) WithRequest(id string) any {
	return map[string]any{"after": d.After, "request": id}
}

// TestMethodsNotPassedOn: the words are geth's, and the log and the data tell who refuses, and
// what to do.
func TestMethodsNotPassedOn(t *testing.T) {
	var log bytes.Buffer
	p := started(t, Config{
		Node: newFake(t).http(), Logger: slog.New(slog.NewTextHandler(&log, nil)), Deny: []string{"eth_x"},
		Methods: map[string]Method{"our_good": func(context.Context, json.RawMessage) (any, error) { return 1, nil }},
	})
	for method, want := range map[string]string{
		"debug_traceTransaction": "does not pass it on to the node: proxy.allow of its configuration does", "eth_x": "proxy.deny of kvclef's configuration takes it away",
		"our_Good": "kvclef answers it, in its own spelling alone",
	} {
		log.Reset()
		answer := send(t, p, http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`, nil).whole
		if !strings.Contains(answer, `"error":{"code":-32601,"message":"the method `+method+` does not exist/is not available","data":{"reason":"`) || !strings.Contains(answer, want) {
			t.Errorf("%s is answered %s", method, answer)
		}
		if line := log.String(); !strings.Contains(line, "what=method") || !strings.Contains(line, "method="+method) || !strings.Contains(line, want) {
			t.Errorf("%s is logged as %s", method, line)
		}
	}
}

// TestFailedCallsAreInTheLog: by the id that the error has, and over HTTP the answer.
func TestFailedCallsAreInTheLog(t *testing.T) {
	var log bytes.Buffer
	p := started(t, Config{
		Node: newFake(t).http(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), MaxBatch: 3,
		Methods: map[string]Method{
			"our_bad":   func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("no such nonce") },
			"our_quiet": func(context.Context, json.RawMessage) (any, error) { return nil, nil },
			"our_wait":  func(context.Context, json.RawMessage) (any, error) { return nil, waitingError{errors.New("full")} },
		},
	})
	calls := map[string]string{
		"no such nonce":   `{"jsonrpc":"2.0","id":1,"method":"our_bad"}`,
		"full":            `{"jsonrpc":"2.0","id":1,"method":"our_wait"}`,
		"admin_x":         `{"jsonrpc":"2.0","id":1,"method":"admin_x"}`,
		"invalid request": `{"id":1,"method":"our_bad"}`,
		"parse error":     `{`,
		"batch too large": `[{"id":1},{"id":2},{"id":3},{"id":4}]`,
		"not JSON-RPC":    `{"jsonrpc":"2.0","id":1,"method":"fake_garbage"}`,
		"left this call":  `[{"jsonrpc":"2.0","id":3,"method":"eth_x"},{"jsonrpc":"2.0","id":1,"method":"fake_omit"},{"jsonrpc":"2.0","id":2,"method":"our_quiet"}]`,
		"notification":    `{"jsonrpc":"2.0","method":"our_bad"}`,
	}
	socket := dial(t, p, nil)
	ids := make(map[string]string) // to what the line says
	for want, call := range calls {
		answer := send(t, p, http.MethodPost, call, nil)
		id := answer.header.Get(extapi.RequestHeader)
		ids[id] = want
		if want == "notification" {
			continue
		}
		tell(t, socket, call)
		for _, body := range []string{answer.whole, hearWhole(t, socket)} {
			_, told, _ := strings.Cut(body, `"request":"`)
			named, _, _ := strings.Cut(told, `"`)
			if len(named) != 26 || body == answer.whole && named != id || want == "full" && !strings.Contains(body, `"after":3`) {
				t.Errorf("%s is answered %s, and named %s", call, body, id)
			}
			ids[named] = want
		}
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if len(ids) != 2*len(calls)-1 {
		t.Errorf("%d ids of %d calls", len(ids), 2*len(calls)-1)
	}
	for id, want := range ids {
		found := false
		for line := range strings.Lines(log.String()) {
			found = found || strings.Contains(line, "request_id="+id) && strings.Contains(line, want)
		}
		if !found {
			t.Errorf("no line of %q with %q in %s", id, want, log.String())
		}
	}
}

// TestCallsOfABatchHaveIDs: each its own, and what a method does has that of its call.
func TestCallsOfABatchHaveIDs(t *testing.T) {
	seen := make(map[string]bool)
	p := started(t, Config{Node: newFake(t).http(), Methods: map[string]Method{
		"our_id": func(ctx context.Context, _ json.RawMessage) (any, error) {
			seen[extapi.OriginID(ctx)] = true
			return nil, errors.New("no")
		},
	}})
	const call = `{"jsonrpc":"2.0","id":1,"method":"our_id"}`
	answer := send(t, p, http.MethodPost, "["+call+","+call+`,{"jsonrpc":"2.0","id":1,"method":"admin_x"},`+call+"]", nil)
	id := answer.header.Get(extapi.RequestHeader)
	for i, named := range errorID.FindAllStringSubmatch(answer.whole, -1) {
		want := id
		if i > 0 {
			want = fmt.Sprintf("%s-%d", id, i+1)
		}
		if named[1] != want || seen[want] == (i == 2) {
			t.Errorf("call %d is named %s, and %v were seen", i, named[1], seen)
		}
		delete(seen, want)
	}
	if len(seen) > 0 {
		t.Errorf("%v are named nowhere in %s", seen, answer.whole)
	}
}
