package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

// tlsGate is the TLS of a listener, and who signed its certificates.
type tlsGate struct {
	t                *testing.T
	cfg              extapi.TLSConfig
	servers, callers *tlstest.CA
}

// newTLSGate writes files that ask for certificates of callers, and are looked at
// at each opportunity.
func newTLSGate(t *testing.T) *tlsGate {
	t.Helper()
	dir := t.TempDir()
	g := &tlsGate{t: t, servers: authority(t), callers: authority(t), cfg: extapi.TLSConfig{
		CertFile: filepath.Join(dir, "s.crt"), KeyFile: filepath.Join(dir, "s.key"), ClientCAFile: filepath.Join(dir, "c.crt"), Interval: 1,
	}}
	g.renew()
	g.write(g.cfg.ClientCAFile, g.callers.PEM)
	return g
}

func authority(t *testing.T) *tlstest.CA {
	t.Helper()
	ca, err := tlstest.NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// renew gives the listener a new certificate.
func (g *tlsGate) renew() {
	g.t.Helper()
	pair, err := g.servers.Server()
	if err != nil {
		g.t.Fatal(err)
	}
	g.write(g.cfg.CertFile, pair.Cert)
	g.write(g.cfg.KeyFile, pair.Key)
}

func (g *tlsGate) write(path string, text []byte) {
	g.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *tlsGate) keeper() *extapi.TLSKeeper {
	g.t.Helper()
	keeper, err := extapi.NewTLSKeeper(g.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		g.t.Fatal(err)
	}
	return keeper
}

// named is the certificate of a caller, valid for an hour.
func named(name string) x509.Certificate { return x509.Certificate{DNSNames: []string{name}} }

// client returns a client with a certificate of an authority, nil for none.
func (g *tlsGate) client(p *Proxy, ca *tlstest.CA, cert x509.Certificate) *tlsClient {
	g.t.Helper()
	shown := new(tls.Certificate)
	if ca != nil {
		if cert.ExtKeyUsage == nil {
			cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}
		pair, err := ca.Issue(&cert)
		if err != nil {
			g.t.Fatal(err)
		}
		loaded, err := pair.Load()
		if err != nil {
			g.t.Fatal(err)
		}
		shown = &loaded
	}
	c := &tlsClient{t: g.t, addr: p.Addr(), transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: g.servers.Pool(), MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil },
	}}}
	g.t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

// tlsClient calls over HTTPS, on a connection that stays, and over WSS.
type tlsClient struct {
	t         *testing.T
	addr      string
	transport *http.Transport
}

// post returns the status and body of an answer. The headers say what only a
// certificate can prove.
func (c *tlsClient) post(path, body string) (int, string, error) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "https://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Forwarded-Client-Cert", `Subject="CN=local";DNS=local`)
	request.Header.Set("X-Principal", "local")
	answer, err := (&http.Client{Transport: c.transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(text)), err
}

// open opens a WebSocket.
func (c *tlsClient) open(path string) (*websocket.Conn, error) {
	dialer := &websocket.Dialer{TLSClientConfig: c.transport.TLSClientConfig, HandshakeTimeout: 20 * time.Second}
	conn, answer, err := dialer.DialContext(c.t.Context(), "wss://"+c.addr+path, http.Header{"X-Principal": {"local"}})
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	c.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return conn, nil
}

func (c *tlsClient) mustOpen(path string) *websocket.Conn {
	c.t.Helper()
	conn, err := c.open(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// whoami is a method that tells the principal of its caller.
func whoami() map[string]Method {
	return map[string]Method{"our_name": func(ctx context.Context, _ json.RawMessage) (any, error) { return extapi.PrincipalOf(ctx), nil }}
}

const whoCall = `{"jsonrpc":"2.0","id":1,"method":"our_name"}`

func answerOf(name string) string { return `{"jsonrpc":"2.0","id":1,"result":"` + name + `"}` }
