package extapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTLSServerCertificateIsRenewed: the next connection gets the new one, those
// that are open go on.
func TestTLSServerCertificateIsRenewed(t *testing.T) {
	said := new(journal)
	p := newPremises(t)
	server := p.open(newProbe(), ServerConfig{Logger: said.logger()})
	cert := p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}})
	before := p.caller(server, cert)
	first := before.served().PeerCertificates[0]

	renewed := p.renew()
	if got := p.caller(server, cert).served().PeerCertificates[0]; !got.Equal(renewed) || got.Equal(first) {
		t.Errorf("the certificate %v is shown, want %v", got.SerialNumber, renewed.SerialNumber)
	}
	if got := before.served().PeerCertificates[0]; !got.Equal(first) {
		t.Error("an open connection was closed")
	}
	if n := said.count("TLS files read again"); n != 1 {
		t.Errorf("read again %d times", n)
	}
}

// TestTLSBadFilesChangeNothing keeps what is in use, says so once, and takes the
// next good files.
func TestTLSBadFilesChangeNothing(t *testing.T) {
	good := newPremises(t)
	cert := good.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}})
	outdated, err := good.servers.Issue(&x509.Certificate{DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		spoil func(*premises)
		want  string
	}{
		"no certificate":       {func(p *premises) { p.remove(p.cfg.CertFile) }, "no such file"},
		"half a certificate":   {func(p *premises) { p.halve(p.cfg.CertFile) }, "TLS certificate"},
		"certificate first":    {func(p *premises) { key := p.content(p.cfg.KeyFile); p.renew(); p.write(p.cfg.KeyFile, key) }, "private key does not match public key"},
		"empty key":            {func(p *premises) { p.write(p.cfg.KeyFile, nil) }, "TLS certificate"},
		"key that others read": {func(p *premises) { p.chmod(p.cfg.KeyFile, 0o644) }, "has mode 0644, so others can get at it: run chmod 600"},
		"expired":              {func(p *premises) { p.write(p.cfg.CertFile, outdated.Cert); p.write(p.cfg.KeyFile, outdated.Key) }, "expired on"},
		"no authorities":       {func(p *premises) { p.write(p.cfg.ClientCAFile, nil) }, "no certificate in PEM"},
		"authorities cut off":  {func(p *premises) { p.halve(p.cfg.ClientCAFile) }, "no certificate in PEM"},
		"a key among authorities": {func(p *premises) {
			p.write(p.cfg.ClientCAFile, append(p.content(p.cfg.ClientCAFile), p.content(p.cfg.KeyFile)...))
		}, `"PRIVATE KEY", not CERTIFICATE`},
		"a folder": {func(p *premises) { p.remove(p.cfg.CertFile); p.mkdir(p.cfg.CertFile) }, "is no file"},
		"huge":     {func(p *premises) { p.write(p.cfg.CertFile, make([]byte, maxPEM+1)) }, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.want, "mode") {
				t.Skip("Windows has no mode")
			}
			said := new(journal)
			p := newPremises(t)
			p.servers, p.clients = good.servers, good.clients
			p.renew()
			p.write(p.cfg.ClientCAFile, p.clients.PEM)
			server := p.open(newProbe(), ServerConfig{Logger: said.logger()})
			inUse := p.caller(server, cert).served().PeerCertificates[0]

			tt.spoil(p)
			for range 3 {
				if got := p.caller(server, cert).served().PeerCertificates[0]; !got.Equal(inUse) {
					t.Error("another certificate is shown")
				}
			}
			if n := said.count("TLS files not read again"); n != 1 || said.count(strings.ReplaceAll(tt.want, `"`, `\"`)) != 1 {
				t.Errorf("the log says %d times that nothing was read, and why:\n%s", n, said.text.String())
			}
			if _, err := newServer(newProbe(), ServerConfig{HTTPAddr: "127.0.0.1:0", TLS: p.cfg}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("a new server starts with them: %v", err)
			}

			p.remove(p.cfg.CertFile)
			p.remove(p.cfg.KeyFile)
			renewed := p.renew()
			p.write(p.cfg.ClientCAFile, p.clients.PEM)
			if got := p.caller(server, cert).served().PeerCertificates[0]; !got.Equal(renewed) {
				t.Error("the next good certificate is not shown")
			}
		})
	}
}

// TestTLSAuthorityIsReplaced: from then on the certificates of the old one are
// worth nothing, also on connections that are open.
func TestTLSAuthorityIsReplaced(t *testing.T) {
	receiver := newProbe()
	p := newPremises(t)
	server := p.open(receiver, ServerConfig{})
	named := x509.Certificate{DNSNames: []string{"op-batcher.example"}}
	old := p.caller(server, p.client(named))
	old.served()

	second := authority(t)
	newer := p.caller(server, issued(t, second, named))
	newer.refused("unknown certificate authority")

	p.write(p.cfg.ClientCAFile, append(p.content(p.cfg.ClientCAFile), second.PEM...)) // both
	old.served()
	newer.served()

	p.write(p.cfg.ClientCAFile, second.PEM)
	calls := receiver.calls.Load()
	if status, body, _, err := old.call(versionCall); err != nil || status != http.StatusForbidden || !strings.Contains(body, "not one of a known authority any more") {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	old.refused("unknown certificate authority") // on a new connection: the old one was closed
	if got := receiver.calls.Load(); got != calls {
		t.Errorf("%d calls ran", got-calls)
	}
	newer.served()
}

// TestTLSSessionsAreNotResumed: a connection that is opened again shows its
// certificate again.
func TestTLSSessionsAreNotResumed(t *testing.T) {
	p := newPremises(t)
	server := p.open(newProbe(), ServerConfig{})
	client := p.caller(server, p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}}))
	client.transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client.transport.DisableKeepAlives = true
	for range 3 {
		if client.served().DidResume {
			t.Fatal("a session was resumed")
		}
	}
}

// TestTLSCertificateExpiresOnAConnection refuses what is asked after the end.
func TestTLSCertificateExpiresOnAConnection(t *testing.T) {
	p := newPremises(t)
	keeper, err := NewTLSKeeper(p.cfg, new(journal).logger())
	if err != nil {
		t.Fatal(err)
	}
	request := func(cert *x509.Certificate) *http.Request {
		r, err := http.NewRequestWithContext(withPeer(t.Context()), http.MethodPost, "/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		peerOf(r.Context()).verified.Store(&verification{by: keeper.inUse.Load()}) // as the handshake found, then
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		return r
	}
	cert := *p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}}).Leaf
	if name, err := keeper.Principal(request(&cert)); err != nil || name != "op-batcher.example" {
		t.Fatalf("%q, %v", name, err)
	}
	cert.NotAfter = time.Now().Add(-time.Second)
	if name, err := keeper.Principal(request(&cert)); err == nil || name != "" {
		t.Errorf("%q, %v", name, err)
	}
	without := request(&cert)
	without.TLS = nil
	if name, err := keeper.Principal(without); err == nil || name != "" {
		t.Errorf("without TLS %q, %v", name, err)
	}
}

// TestTLSFilesAreLookedAtNowAndThen, not at each call.
func TestTLSFilesAreLookedAtNowAndThen(t *testing.T) {
	p := newPremises(t)
	keeper, err := NewTLSKeeper(p.cfg, new(journal).logger())
	if err != nil {
		t.Fatal(err)
	}
	keeper.interval = time.Hour
	first := keeper.material()
	p.renew()
	if keeper.material() != first {
		t.Error("the files were read again at once")
	}
	keeper.looked = time.Now().Add(-2 * time.Hour)
	second := keeper.material()
	if second == first || keeper.material() != second {
		t.Error("the files were not read again when it was time, or once more")
	}
	keeper.looked = time.Now().Add(-2 * time.Hour)
	p.renew()
	keeper.mu.Lock() // somebody looks, and takes long
	if keeper.material() != second {
		t.Error("what is in use is not told while somebody looks")
	}
	keeper.mu.Unlock()
}

func (p *premises) remove(path string) {
	p.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		p.t.Fatal(err)
	}
}

func (p *premises) content(path string) []byte {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *premises) halve(path string) { p.write(path, p.content(path)[:100]) }

func (p *premises) chmod(path string, mode os.FileMode) {
	p.t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		p.t.Fatal(err)
	}
}

func (p *premises) mkdir(path string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Clean(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
}
