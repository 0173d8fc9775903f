package emulator_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
)

// proxied reaches the server through its proxy, as a program with HTTPS_PROXY does.
func proxied(t *testing.T, s *emulator.Server) *http.Client {
	t.Helper()
	proxy, err := url.Parse(s.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM())
	transport := &http.Transport{
		Proxy:             http.ProxyURL(proxy),
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestProxyLeadsNowhereElse: whatever host a tunnel is asked for, this server is
// at its end, and it has no certificate for hosts that are not its own.
func TestProxyLeadsNowhereElse(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	c.Client = proxied(t, s)
	for _, host := range []string{"dev.vault.azure.net", "dev.vault.azure.net:8443", "login.microsoftonline.com", emulator.ForeignHost} {
		if _, err := c.send(c.request(t, http.MethodGet, "https://"+host+"/", nil, nil)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	var hostname x509.HostnameError
	if _, err := c.send(c.request(t, http.MethodGet, "https://example.org/", nil, nil)); !errors.As(err, &hostname) {
		t.Errorf("example.org: %v", err)
	}
	answer := c.must(t, c.request(t, http.MethodGet, "http://example.org/", nil, nil))
	if answer.status != http.StatusNotFound {
		t.Errorf("plain HTTP to example.org: %d", answer.status)
	}
}

// TestCloseCutsTunnels: Close does not wait for idle connections.
func TestCloseCutsTunnels(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	c.Client = proxied(t, s)
	if status, _ := c.call(t, http.MethodGet, "/keys", nil); status != http.StatusOK {
		t.Fatal(status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.send(c.vaultRequest(t, http.MethodGet, "/keys", nil)); err == nil {
		t.Error("answered after Close")
	}
}
