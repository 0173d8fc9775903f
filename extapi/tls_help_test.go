package extapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kvclef/kvclef/extapi/tlstest"
)

// premises are the files of a listener, and who signed them.
type premises struct {
	t       testing.TB
	cfg     TLSConfig
	servers *tlstest.CA // of the server's certificate
	clients *tlstest.CA // of those that callers show
}

// newPremises writes files that ask for client certificates.
func newPremises(t testing.TB) *premises {
	t.Helper()
	dir := t.TempDir()
	p := &premises{t: t, servers: authority(t), clients: authority(t), cfg: TLSConfig{
		CertFile: filepath.Join(dir, "server.crt"), KeyFile: filepath.Join(dir, "server.key"), ClientCAFile: filepath.Join(dir, "clients.crt"),
	}}
	p.renew()
	p.write(p.cfg.ClientCAFile, p.clients.PEM)
	return p
}

func authority(t testing.TB) *tlstest.CA {
	t.Helper()
	ca, err := tlstest.NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// renew gives the server a new certificate, which it returns.
func (p *premises) renew() *x509.Certificate {
	p.t.Helper()
	pair, err := p.servers.Server()
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(p.cfg.CertFile, pair.Cert)
	p.write(p.cfg.KeyFile, pair.Key)
	return loaded(p.t, pair).Leaf
}

func (p *premises) write(path string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func loaded(t testing.TB, pair tlstest.Pair) tls.Certificate {
	t.Helper()
	cert, err := pair.Load()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// client returns a certificate of the clients' authority.
func (p *premises) client(template x509.Certificate) tls.Certificate {
	p.t.Helper()
	return issued(p.t, p.clients, template)
}

func issued(t testing.TB, ca *tlstest.CA, template x509.Certificate) tls.Certificate {
	t.Helper()
	if template.ExtKeyUsage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	pair, err := ca.Issue(&template)
	if err != nil {
		t.Fatal(err)
	}
	return loaded(t, pair)
}

// open starts a server that looks at its files at each opportunity.
func (p *premises) open(receiver any, cfg ServerConfig) *Server {
	p.t.Helper()
	cfg.TLS = p.cfg
	server := listeners(p.t, receiver, cfg)
	server.callers.TLS.interval = 0 // no caller has come yet
	return server
}

// tlsClient is a caller over HTTPS.
type tlsClient struct {
	t         testing.TB
	url       string
	transport *http.Transport
}

// caller returns a client that shows certificates and trusts the server's
// authority. Its connections are closed when the test ends.
func (p *premises) caller(server *Server, certs ...tls.Certificate) *tlsClient {
	p.t.Helper()
	shown := &tls.Certificate{}
	if len(certs) > 0 {
		shown = &certs[0]
	}
	c := &tlsClient{t: p.t, url: "https://" + server.HTTPAddr(), transport: &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs: p.servers.Pool(), MinVersion: tls.VersionTLS12,
			// Shown whichever authorities the server names.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil },
		},
	}}
	p.t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

// call returns the status and body of an answer, and the connection's state.
func (c *tlsClient) call(body string) (int, string, *tls.ConnectionState, error) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Forwarded-Client-Cert", `Subject="CN=local";DNS=local`)
	request.Header.Set("X-Principal", "local")
	answer, err := (&http.Client{Transport: c.transport, Timeout: patience}).Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text)), answer.TLS, nil
}

// served calls and must be answered.
func (c *tlsClient) served() *tls.ConnectionState {
	c.t.Helper()
	status, body, state, err := c.call(versionCall)
	if err != nil || status != http.StatusOK || body != versionAnswer {
		c.t.Fatalf("got %d %s, %v", status, body, err)
	}
	return state
}

// refused calls and must get an error that has a text.
func (c *tlsClient) refused(want string) {
	c.t.Helper()
	status, body, _, err := c.call(versionCall)
	if err == nil {
		err = errors.New(body)
		if status == http.StatusOK {
			c.t.Fatalf("served: %s", body)
		}
	}
	if !strings.Contains(err.Error(), want) {
		c.t.Fatalf("got %d and %v, want %s", status, err, want)
	}
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }
