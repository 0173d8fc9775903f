package keyvault

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestAnUntrustedCertificateFailsAtOnce(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	stranger := start(t, emulator.Options{})
	cfg := config(t, s, "kv-prod")
	cfg.RootCAs = config(t, stranger, "kv-prod").RootCAs
	var dials atomic.Int32
	cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return s.DialContext(ctx, network, addr)
	}
	_, err := open(t.Context(), cfg, defaultTuning())
	if want := "the certificate of vault kv-prod is not trusted"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections, want 1: trying again changes nothing", n)
	}
}

func TestAnUntrustedCertificateOfEntraFailsAtOnce(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	stranger := start(t, emulator.Options{})
	cfg := config(t, s, "kv-prod")
	var dials atomic.Int32
	cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "login.") {
			dials.Add(1)
			return stranger.DialContext(ctx, network, addr)
		}
		return s.DialContext(ctx, network, addr)
	}
	_, err := open(t.Context(), cfg, defaultTuning())
	if want := "the certificate of the identity provider is not trusted"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if n := dials.Load(); n > 2 { // one for each of the SDK's own two ways to a token
		t.Errorf("%d connections, want at most 2", n)
	}
}

func TestEntraOutOfReach(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "login.") {
			return nil, &net.OpError{Op: "dial", Err: io.ErrClosedPipe}
		}
		return s.DialContext(ctx, network, addr)
	}
	_, err := open(t.Context(), cfg, fastTuning())
	if failure := asBackendError(t, err); failure.Kind != backend.KindUnavailable || !strings.Contains(failure.Message, "the identity provider can't be reached") || !failure.NotSigned {
		t.Errorf("got %+v", failure)
	}
}

func TestCAFile(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.RootCAs, cfg.CAFile = nil, writeFile(t, "ca.pem", string(s.CAPEM()))
	v := opened(t, cfg, fastTuning())
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
	for path, want := range map[string]string{
		"/nowhere": "reading the CA file", writeFile(t, "x", "x"): "holds no PEM certificate",
		writeFile(t, "big", strings.Repeat("x", 1<<20+1)): "larger than 1 MiB",
	} {
		cfg.CAFile = path
		if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	cfg := Config{
		URL: server.URL, CustomEndpoint: true, Authority: server.URL,
		RootCAs:    server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
		Credential: Credential{Kind: "client-secret", TenantID: "t", ClientID: "c", Secret: NewSecret("s")},
	}
	_, err := open(t.Context(), cfg, fastTuning())
	if want := "answers with a redirect"; err == nil || !strings.Contains(err.Error(), want) || followed.Load() {
		t.Errorf("got %v, want %q; followed: %v", err, want, followed.Load())
	}
}

// endless answers without end.
type endless struct{}

func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(neverEnding{})}, nil
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{'x'}, len(p))), nil
}

func TestAnswersAreBounded(t *testing.T) {
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://kv-prod.vault.azure.net/", http.NoBody)
	resp, err := bounded{endless{}}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n > maxAnswer {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	with, err := newTransports(Config{TryTimeout: time.Second, MaxInFlight: 7})
	if err != nil {
		t.Fatal(err)
	}
	without, err := newTransports(Config{DialContext: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	if with.base.Proxy == nil || without.base.Proxy != nil || with.base.MaxIdleConnsPerHost != 7 {
		t.Error("want the environment's proxy unless a dialer is given, and idle connections for all in flight")
	}
}
