package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// started returns a proxy that listens. When the test ends nothing of it may be
// left.
func started(tb testing.TB, cfg Config) *Proxy {
	tb.Helper()
	return startedAt(tb, "127.0.0.1:0", cfg)
}

func startedAt(tb testing.TB, addr string, cfg Config) *Proxy {
	tb.Helper()
	ignore := goleak.IgnoreCurrent()
	tb.Cleanup(func() { goleak.VerifyNone(tb, ignore) })
	cfg.Addr = addr
	p, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 20*time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// answered is an HTTP answer, read.
type answered struct {
	status int
	header http.Header
	whole  string
	body   string // without the ids of requests in errors
	err    error
}

// send sends a request to the proxy. A header's empty value removes it.
func send(tb testing.TB, p *Proxy, method, body string, header map[string]string) answered {
	tb.Helper()
	return sendContext(tb.Context(), tb, p, method, body, header)
}

func sendContext(ctx context.Context, tb testing.TB, p *Proxy, method, body string, header map[string]string) answered {
	tb.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.Addr()+"/any/path", strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		if value == "" {
			request.Header.Del(name)
		} else {
			request.Header.Set(name, value)
		}
		if name == "Host" {
			request.Host = value
		}
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return answered{err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answered{answer.StatusCode, answer.Header, string(text), unnamed(string(text)), err}
}

// post sends a body and returns the answer's.
func post(tb testing.TB, p *Proxy, body string) string {
	tb.Helper()
	answer := send(tb, p, http.MethodPost, body, nil)
	if answer.err != nil || answer.status != http.StatusOK {
		tb.Fatalf("got %+v", answer)
	}
	return answer.body
}
