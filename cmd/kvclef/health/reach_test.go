package health

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

func TestCheckReach(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:9545", "[::1]:0", "localhost:9545"} {
		if err := CheckReach(addr, false, false); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"0.0.0.0:9545", "[::]:0", ":9545", "signer.example:1", "192.0.2.1:9545"} {
		for _, c := range []struct{ named, plain, ok bool }{{false, false, false}, {true, false, true}, {false, true, true}} {
			if err := CheckReach(addr, c.named, c.plain); (err == nil) != c.ok {
				t.Errorf("%s, named %v, plain %v: %v", addr, c.named, c.plain, err)
			}
		}
	}
}

// TestBeyondLoopback: it does not start there by mistake, and not even opens the port.
func TestBeyondLoopback(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	cfg := Config{Addr: "0.0.0.0:0", Ready: NewReadiness(func() []Check { return nil }, logger), Metrics: http.NotFoundHandler(), Logger: logger}
	if server, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "metrics.plain") {
		t.Fatalf("it started: %v (%v)", server, err)
	}
	var log strings.Builder
	cfg.Plain, cfg.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	server, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "METRICS CAN BE READ BY OTHER MACHINES") {
		t.Errorf("nothing warns of it:\n%s", &log)
	}
}

// TestCertificates: with an authority of readers, those alone read who have a certificate
// of it.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := func(name string) *tlstest.CA {
		ca, err := tlstest.NewCA(name)
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	servers, readers, strangers := authority("servers"), authority("readers"), authority("strangers")
	pair, err := servers.Server()
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	keeper, err := extapi.NewTLSKeeper(extapi.TLSConfig{
		CertFile: write("cert.pem", pair.Cert), KeyFile: write("key.pem", pair.Key), ClientCAFile: write("ca.pem", readers.PEM),
	}, logger)
	if err != nil {
		t.Fatal(err)
	}
	server, err := Start(t.Context(), Config{
		Addr: "0.0.0.0:0", TLS: keeper, Ready: NewReadiness(func() []Check { return nil }, logger), Logger: logger,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("counted 1\n")) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(t.Context()) })
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	transport := func(ca *tlstest.CA) *http.Transport {
		config := &tls.Config{RootCAs: servers.Pool(), MinVersion: tls.VersionTLS13}
		if ca != nil {
			pair, err := ca.Client("local") // a name that no caller may have, which does not matter here
			if err != nil {
				t.Fatal(err)
			}
			cert, err := pair.Load()
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		transport := &http.Transport{TLSClientConfig: config}
		t.Cleanup(transport.CloseIdleConnections)
		return transport
	}
	read := func(transport *http.Transport) (status int, text string, err error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost:"+port+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	reader := transport(readers)
	for name, from := range map[string]*http.Transport{"reader": reader, "stranger": transport(strangers), "nobody": transport(nil)} {
		if _, text, err := read(from); (text == "counted 1\n") != (name == "reader") {
			t.Errorf("%s reads %q (%v)", name, text, err)
		}
	}
	// Prometheus keeps its connection, and loses the right to it all the same.
	write("ca.pem", strangers.PEM)
	for deadline := time.Now().Add(20 * time.Second); ; {
		status, text, err := read(reader)
		if err == nil && status == http.StatusForbidden {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("after its authority was taken out it reads %d %q (%v)", status, text, err)
		}
	}
}
