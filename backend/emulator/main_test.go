package emulator_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestMain checks that no test leaves a goroutine behind, and is the program of
// the tests that need a process of their own.
func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		os.Exit(runHelper())
	}
	goleak.VerifyTestMain(m)
}

// start runs an emulator for the length of the test.
func start(t testing.TB, opts emulator.Options) *emulator.Server {
	t.Helper()
	s, err := emulator.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// httpClient reaches the emulator under every host name, with all checks of TLS on.
func httpClient(t testing.TB, s *emulator.Server, http2 bool) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("the CA is not PEM")
	}
	transport := &http.Transport{
		DialContext:       s.DialContext,
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// azClient is an unmodified azkeys client with a client secret, on genuine names.
func azClient(t testing.TB, s *emulator.Server, vault string) *azkeys.Client {
	t.Helper()
	cred := secretCredential(t, s, s.ClientSecret())
	return keysClient(t, s, vault, cred)
}

func clientOptions(t testing.TB, s *emulator.Server) azcore.ClientOptions {
	t.Helper()
	return azcore.ClientOptions{Transport: httpClient(t, s, true)}
}

func secretCredential(t testing.TB, s *emulator.Server, secret string) *azidentity.ClientSecretCredential {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(s.TenantID(), s.ClientID(), secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: clientOptions(t, s)})
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func keysClient(t testing.TB, s *emulator.Server, vault string, cred azcore.TokenCredential) *azkeys.Client {
	t.Helper()
	client, err := azkeys.NewClient(s.VaultURL(vault), cred, &azkeys.ClientOptions{ClientOptions: clientOptions(t, s)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
