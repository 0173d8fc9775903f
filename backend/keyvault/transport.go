package keyvault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// maxAnswer bounds an answer of the vault or of Entra; real ones are smaller
// than 64 KiB.
const maxAnswer = 4 << 20

// transports are the HTTP clients of one vault. They share their connections.
type transports struct {
	base  *http.Transport
	vault *http.Client
	plain *http.Client // for managed identities, which need an *http.Transport
}

// newTransports makes the HTTP transport that the vault and Entra share: the
// environment's proxy, HTTP/2 with health checks, and an idle connection for
// every request that may be in flight, in case the peer speaks HTTP/1.1.
func newTransports(cfg Config) (*transports, error) {
	roots, err := rootCAs(cfg)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: cfg.TryTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cfg.TryTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConnsPerHost:    cfg.MaxInFlight,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if cfg.DialContext != nil {
		t.Proxy, t.DialContext = nil, cfg.DialContext
	}
	return &transports{base: t, vault: newHTTPClient(bounded{t}), plain: newHTTPClient(t)}, nil
}

func rootCAs(cfg Config) (*x509.CertPool, error) {
	if cfg.CAFile == "" {
		return cfg.RootCAs, nil
	}
	pem, err := readBounded(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	roots := cfg.RootCAs
	if roots != nil {
		roots = roots.Clone()
	} else if roots, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("reading the system's roots: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no PEM certificate", cfg.CAFile)
	}
	return roots, nil
}

// newHTTPClient follows no redirects: neither service sends any, and one would
// take the token along.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded limits the size of answers, and notes in the trace of a try what
// becomes of its requests.
type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	t := traceOf(req.Context())
	authorized := req.Header.Get("Authorization") != ""
	if authorized {
		t.authorized.Store(true)
		t.id.Store(nil) // of an earlier request, which this one takes the place of
	}
	resp, err := b.base.RoundTrip(req)
	if err != nil {
		t.transport.Store(&err)
		return nil, err
	}
	if authorized { // by the vault, then: Entra answers with ids of its own
		id := requestID(resp.Header)
		t.id.Store(&id)
	}
	if resp.Body != nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, nil
}

// trace is what is known about one try, however the SDK words its error.
type trace struct {
	began      time.Time
	authorized atomic.Bool                // a request went out with a token: before that, the vault does nothing
	transport  atomic.Pointer[error]      // of the last request that got no answer
	token      atomic.Pointer[tokenError] // of the last token that could not be had
	id         atomic.Pointer[string]     // the vault's, of the last request with a token; nil: no answer
}

// requestID returns what the vault calls the last request that went out with a
// token, "" if it did not answer.
func (t *trace) requestID() string {
	if id := t.id.Load(); id != nil {
		return *id
	}
	return ""
}

type traceKey struct{}

// traceOf returns the trace of the try that ctx belongs to.
func traceOf(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// foreignHostError reports a request that would have left the vault's host.
type foreignHostError struct{ host string }

func (e *foreignHostError) Error() string { return "request to another host: " + printable(e.host) }

// sameHostOnly is a policy that refuses requests to hosts other than the
// vault's before a token is attached: the SDK follows links to further pages
// wherever they lead. It also drops the default port that those links carry,
// which the SDK's check of the challenge would stumble over.
type sameHostOnly struct{ host string }

func (p sameHostOnly) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if u.Scheme != "https" || u.User != nil || !sameHost(u.Host, p.host) {
		return nil, &foreignHostError{u.Host}
	}
	u.Host, req.Raw().Host = p.host, p.host
	return req.Next()
}

// certificateError reports whether err is about the peer's certificate, which
// trying again does not change.
func certificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid)
}

// worthRetrying is the rule for requests to Entra.
func worthRetrying(resp *http.Response, err error) bool {
	if err != nil {
		return !certificateError(err) && !errors.Is(err, context.Canceled)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// readBounded reads a small file.
func readBounded(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path) // opening a pipe would wait
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, 1<<20+1))
	if err != nil {
		return nil, err
	}
	if len(data) > 1<<20 {
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return data, nil
}
