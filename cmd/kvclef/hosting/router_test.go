package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/rpc"
)

// get asks the public listener.
func (h *house) get(t *testing.T, path string) (status int, answer string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	if strings.Contains(w.Body.String(), secret) {
		t.Errorf("%s shows the secret", path)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestRequestsReachTheirService(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	_, made := h.furnish(t, "prod", 2)
	a, b := made[0].ID, made[1].ID
	for path, want := range map[string]struct {
		status int
		answer string
	}{
		"/services/" + a:                      {200, `["` + a + `","/",""]`},
		"/services/" + b + "/":                {200, `["` + b + `","/",""]`},
		"/services/" + b + "/status?x=%2f":    {200, `["` + b + `","/status","x=%2f"]`},
		"/services/" + a + "/a%2fb/../c":      {200, `["` + a + `","/a%2fb/../c",""]`},
		"/services/" + a + "/services/" + b:   {200, `["` + a + `","/services/` + b + `",""]`},
		"/services/" + a + "x":                {404, `{"error":"there is no such service"}`},
		"/services/" + strings.ToUpper(a):     {404, `{"error":"there is no such service"}`},
		"/services/../services/" + a:          {404, `{"error":"there is no such service"}`},
		"/services//" + a:                     {404, `{"error":"there is no such service"}`},
		"/%73ervices/" + a + "/%2f":           {404, `{"error":"the path of a service is written without escapes"}`},
		"/services/" + a + "%2fx":             {200, `["` + a + `","%2fx",""]`},
		"/services/":                          {404, `{"error":"there is no such service"}`},
		"/services":                           {404, `{"error":"there is no such service"}`},
		"/":                                   {404, `{"error":"there is no such service"}`},
		"/" + a:                               {404, `{"error":"there is no such service"}`},
		"/x/services/" + a:                    {404, `{"error":"there is no such service"}`},
		"/services/" + strings.Repeat("x", 9): {404, `{"error":"there is no such service"}`},
	} {
		if status, answer := h.get(t, path); status != want.status || answer != want.answer {
			t.Errorf("%s: %d %s, want %d %s", path, status, answer, want.status, want.answer)
		}
	}
}

// TestAServiceThatDoesNotRun says so, and not why: that is told to the operator.
func TestAServiceThatDoesNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil, nil)
		_, made := h.furnish(t, "prod", 1)
		path := "/services/" + made[0].ID
		h.shut(t)
		s := newStage()
		s.hang = true
		h = open(t, h.records, s)
		if err := h.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if status, answer := h.get(t, path); status != 503 || answer != `{"error":"the service is being started"}` {
			t.Errorf("%d %s", status, answer)
		}
		s.set(func(s *stage) { s.hang, s.failure = false, errors.New("/etc/kvclef/secret-place is gone") })
		h.shut(t)
		h = open(t, h.records, s)
		if err := h.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if status, answer := h.get(t, path); status != 503 || !strings.Contains(answer, "could not be started") || strings.Contains(answer, "secret-place") {
			t.Errorf("%d %s", status, answer)
		}
		if err := h.instance(made[0].ID).quiesce(true); err != nil {
			t.Fatal(err)
		}
		if status, answer := h.get(t, path); status != 503 || answer != `{"error":"the service is being stopped"}` {
			t.Errorf("%d %s", status, answer)
		}
	})
}

// echo is a JSON-RPC service.
type echo struct{}

// Say returns what it is given.
func (echo) Say(text string) string { return text }

// Count notifies a subscriber three times.
func (echo) Count(ctx context.Context) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	subscription := notifier.CreateSubscription()
	go func() {
		for n := range 3 {
			_ = notifier.Notify(subscription.ID, n)
		}
	}()
	return subscription, nil
}

// TestAWebSocketGoesThrough, with a subscription, by go-ethereum's client and
// server.
func TestAWebSocketGoesThrough(t *testing.T) {
	t.Parallel()
	inner := rpc.NewServer()
	defer inner.Stop()
	if err := inner.RegisterName("echo", echo{}); err != nil {
		t.Fatal(err)
	}
	webSocket := inner.WebsocketHandler([]string{"*"})
	h := open(t, nil, nil)
	h.stage.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "websocket" {
			webSocket.ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	})
	_, made := h.furnish(t, "prod", 1)
	server := httptest.NewServer(h)
	defer server.Close()
	for _, scheme := range []string{"http", "ws"} {
		endpoint := scheme + strings.TrimPrefix(server.URL, "http") + "/services/" + made[0].ID
		client, err := rpc.DialContext(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		var said string
		if err := client.CallContext(t.Context(), &said, "echo_say", scheme); err != nil || said != scheme {
			t.Errorf("%s: %q, %v", scheme, said, err)
		}
		if scheme == "ws" {
			counted := make(chan int)
			subscription, err := client.Subscribe(t.Context(), "echo", counted, "count")
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				if got := <-counted; got != n {
					t.Errorf("%d was notified, want %d", got, n)
				}
			}
			subscription.Unsubscribe()
		}
		client.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestOverlay keeps what a service tells, but not of what is known better.
func TestOverlay(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	_, made := h.furnish(t, "prod", 1)
	told, err := h.Status(t.Context(), home, made[0].ID)
	if err != nil || string(told["state"]) != `"started"` || string(told["version"]) != `"1.2.3"` {
		t.Errorf("%v, %v", told, err)
	}
	for _, value := range []any{7, []int{1}, nil, make(chan int), json.RawMessage(`{`)} {
		if members, err := membersOf(value); err == nil && members != nil {
			t.Errorf("%v has members: %v", value, members)
		}
	}
}
