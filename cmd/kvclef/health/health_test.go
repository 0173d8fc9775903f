package health

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves checks.
func start(t *testing.T, log io.Writer, checks ...Check) *Server {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	server, err := Start(t.Context(), Config{
		Addr: "127.0.0.1:0", Ready: NewReadiness(func() []Check { return checks }, logger), Logger: logger,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("counted 1\n")) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return server
}

func ask(t *testing.T, server *Server, method, path string, change func(*http.Request)) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(request)
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

func TestPages(t *testing.T) {
	server := start(t, io.Discard, Check{Name: "store", Look: func(context.Context) error { return nil }})
	for _, c := range []struct {
		method, path string
		change       func(*http.Request)
		status       int
		body         string
	}{
		{http.MethodGet, "/healthz", nil, 200, "ok\n"},
		{http.MethodGet, "/readyz", nil, 200, `{"ready":true,"checks":[{"name":"store","ok":true}]}` + "\n"},
		{http.MethodGet, "/metrics", nil, 200, "counted 1\n"},
		{http.MethodGet, "/metrics", func(r *http.Request) { r.Host = "localhost:1" }, 200, "counted 1\n"},
		{http.MethodGet, "/metrics", func(r *http.Request) { r.Host = "evil.example" }, 403, "invalid host specified\n"},
		{http.MethodGet, "/metrics", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "origin not allowed\n"},
		{http.MethodPost, "/readyz", nil, 405, "Method Not Allowed\n"},
		{http.MethodGet, "/debug/pprof/", nil, 404, "404 page not found\n"},
		{http.MethodGet, "/", nil, 404, "404 page not found\n"},
	} {
		if status, body := ask(t, server, c.method, c.path, c.change); status != c.status || body != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, status, body, c.status, c.body)
		}
	}
}

// TestWhatIsTold: reasons that are made for it, and nothing of other errors.
func TestWhatIsTold(t *testing.T) {
	var log strings.Builder
	server := start(t, &log,
		Check{Name: "vault", Look: func(context.Context) error { return ReasonError("it does not answer") }},
		Check{Name: "store", Look: func(context.Context) error {
			return errors.Join(ReasonError("told"), errors.New("dial 10.1.2.3: password=hunter2"))
		}},
	)
	status, body := ask(t, server, http.MethodGet, "/readyz", nil)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `{"name":"vault","ok":false,"reason":"it does not answer"}`) ||
		!strings.Contains(body, `{"name":"store","ok":false,"reason":"not usable: the log says why"}`) {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(log.String(), "10.1.2.3") {
		t.Errorf("the log does not say why: %s", &log)
	}
}

// TestManyAskOnce: those who ask often don't have everything looked at each time, and a
// check that hangs fails.
func TestManyAskOnce(t *testing.T) {
	var looks atomic.Int32
	server := start(t, io.Discard, Check{Name: "node", Look: func(ctx context.Context) error {
		looks.Add(1)
		<-ctx.Done()
		return ReasonError("it does not answer")
	}})
	began := time.Now()
	for range 20 {
		status, body := ask(t, server, http.MethodGet, "/readyz", nil)
		var report Report
		if err := json.Unmarshal([]byte(body), &report); err != nil || status != 503 || report.Ready {
			t.Fatalf("%d %s, %v", status, body, err)
		}
	}
	if n := looks.Load(); n > int32(time.Since(began)/lookTimeout)+1 {
		t.Errorf("looked %d times in %v", n, time.Since(began))
	}
}
