package extapi

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestTLSChainExpires: a certificate is worth no more than those that lead to its
// authority, also on a connection that was opened when they were valid.
func TestTLSChainExpires(t *testing.T) {
	t.Parallel()
	const ofAuthority = time.Hour // as package tlstest makes it
	for name, ofCaller := range map[string]time.Duration{"the caller's": time.Minute, "the authority's": 3 * ofAuthority} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPremises(t)
				start := time.Now()
				cert := p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}, NotAfter: start.Add(ofCaller)})
				keeper, err := NewTLSKeeper(p.cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				request := connectedWith(t, keeper, cert.Leaf)
				for _, at := range []time.Duration{0, min(ofCaller, ofAuthority) - time.Second} {
					time.Sleep(time.Until(start.Add(at))) //nolint:forbidigo // of the bubble's clock
					if name, err := keeper.Principal(request); err != nil || name != "op-batcher.example" {
						t.Errorf("after %s: %q, %v", at, name, err)
					}
				}
				time.Sleep(2 * time.Second) //nolint:forbidigo // likewise
				if name, err := keeper.Principal(request); err == nil {
					t.Errorf("it has ended, and the caller is %q", name)
				}
			})
		})
	}
}

// connectedWith returns a request on a connection whose handshake found the
// certificate good.
func connectedWith(t *testing.T, keeper *TLSKeeper, cert *x509.Certificate) *http.Request {
	t.Helper()
	material := keeper.inUse.Load()
	chains, err := cert.Verify(x509.VerifyOptions{Roots: material.clients, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(withPeer(t.Context()), http.MethodPost, "https://signer.example/", http.NoBody)
	request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: chains}
	peerOf(request.Context()).verified.Store(&verification{by: material})
	return request
}
