package extapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// decided tells how long a decision may wait for people.
type decided struct{}

func (decided) Patience(ctx context.Context) string {
	ctx, cancel := patient(ctx)
	defer cancel()
	deadline, bounded := ctx.Deadline()
	switch {
	case !bounded:
		return "unbounded"
	case rules.Hurried(ctx):
		return "hurried"
	case time.Until(deadline) > time.Minute || time.Until(deadline) < 30*time.Second:
		return "until " + deadline.String()
	default:
		return "bounded"
	}
}

// TestPatience: over HTTP people are waited for no longer than the server waits for
// the answer, in a batch not at all; over IPC there is no such bound.
func TestPatience(t *testing.T) {
	server := listeners(t, decided{}, ServerConfig{RequestTimeout: time.Minute - answerMargin})
	const call = `{"jsonrpc":"2.0","id":1,"method":"account_patience"}`
	for body, want := range map[string]string{call: `"bounded"`, " [" + call + "]": `"hurried"`} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.HTTPAddr(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %s, %v, want %s", body, answer, err, want)
		}
		_ = response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	client := dialIPC(t, server)
	client.send(call)
	var answer struct{ Result string }
	if err := client.answers.Decode(&answer); err != nil || answer.Result != "unbounded" {
		t.Errorf("over IPC: %+v, %v", answer, err)
	}
}
