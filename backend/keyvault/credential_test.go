package keyvault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/emulator"
)

const federatedToken = "header.federated.signature"

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newCertificate makes a certificate and its key as one PEM file.
func newCertificate(t testing.TB, key, public any) (*x509.Certificate, string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return cert, text
}

func readCertificate(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCredentialKinds(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, certPEM := newCertificate(t, rsaKey, &rsaKey.PublicKey)
	s := start(t, emulator.Options{
		ClientCertificates: []*x509.Certificate{cert, readCertificate(t, "testdata/client.crt")},
		FederatedToken:     federatedToken,
	})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	tokenFile := writeFile(t, "token", federatedToken)
	for _, c := range []struct {
		name string
		env  map[string]string
		cred Credential
	}{
		{"secret", nil, Credential{Kind: "client-secret", Secret: NewSecret(s.ClientSecret())}},
		{"secret file", nil, Credential{Kind: "client-secret", SecretFile: writeFile(t, "secret", s.ClientSecret()+"\n")}},
		{"secret variable", map[string]string{"MY_SECRET": s.ClientSecret()}, Credential{Kind: "client-secret", SecretEnv: "MY_SECRET"}},
		{"certificate PEM", nil, Credential{Kind: "client-certificate", CertificateFile: writeFile(t, "client.pem", certPEM)}},
		{"certificate PKCS12", nil, Credential{
			Kind: "client-certificate", CertificateFile: "testdata/client.p12",
			CertificatePasswordFile: writeFile(t, "password", "test-password\n"),
		}},
		{"workload identity", nil, Credential{Kind: "workload-identity", TokenFile: tokenFile}},
		{"workload identity of the environment", map[string]string{
			"AZURE_TENANT_ID": s.TenantID(), "AZURE_CLIENT_ID": s.ClientID(), "AZURE_FEDERATED_TOKEN_FILE": tokenFile,
		}, Credential{Kind: "workload-identity", TenantID: "-", ClientID: "-"}},
		{"environment", map[string]string{
			"AZURE_TENANT_ID": s.TenantID(), "AZURE_CLIENT_ID": s.ClientID(), "AZURE_CLIENT_SECRET": s.ClientSecret(),
		}, Credential{Kind: "environment"}},
		{"default", map[string]string{
			"AZURE_TOKEN_CREDENTIALS": "prod",
			"AZURE_TENANT_ID":         s.TenantID(), "AZURE_CLIENT_ID": s.ClientID(), "AZURE_CLIENT_SECRET": s.ClientSecret(),
		}, Credential{Kind: "default"}},
		{"another tenant, allowed", nil, Credential{
			Kind: "client-secret", Secret: NewSecret(s.ClientSecret()), TenantID: "11111111-1111-1111-1111-111111111111",
			AdditionallyAllowedTenants: []string{"*"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			cfg := config(t, s, "kv-prod")
			for _, id := range []struct {
				field *string
				value string
			}{{&c.cred.TenantID, s.TenantID()}, {&c.cred.ClientID, s.ClientID()}} {
				switch *id.field {
				case "":
					*id.field = id.value
				case "-": // leave it to the environment
					*id.field = ""
				}
			}
			cfg.Credential = c.cred
			v := opened(t, cfg, fastTuning())
			mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
		})
	}
}

func TestManagedIdentity(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	metadata, err := url.Parse(s.IdentityEndpoint())
	if err != nil {
		t.Fatal(err)
	}
	// The metadata endpoints speak plain HTTP on a listener of their own.
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == metadata.Host || strings.HasPrefix(addr, "169.254.169.254:") {
			return (&net.Dialer{}).DialContext(ctx, network, metadata.Host)
		}
		return s.DialContext(ctx, network, addr)
	}
	for name, env := range map[string]map[string]string{
		"virtual machine": nil,
		"App Service":     {"IDENTITY_ENDPOINT": s.IdentityEndpoint(), "IDENTITY_HEADER": s.IdentityHeader()},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range env {
				t.Setenv(name, value)
			}
			cfg := config(t, s, "kv-prod")
			cfg.DialContext = dial
			cfg.Credential = Credential{Kind: "managed-identity", ClientID: s.ClientID()}
			v := opened(t, cfg, fastTuning())
			mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
		})
	}
	if s.Count(emulator.OpIdentity) == 0 || s.Count(emulator.OpToken) != 0 {
		t.Errorf("%d requests to the metadata endpoint and %d to Entra", s.Count(emulator.OpIdentity), s.Count(emulator.OpToken))
	}
}

// TestAzureCLI stands in for the az program with a script that prints a token.
func TestAzureCLI(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	answer, err := json.Marshal(map[string]any{
		"accessToken": fetchToken(t, s), "expires_on": time.Now().Add(time.Hour).Unix(), "tokenType": "Bearer", "tenant": s.TenantID(),
		"expiresOn": time.Now().Add(time.Hour).Format("2006-01-02 15:04:05.000000"), "subscription": "none",
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncat <<'EOF'\n%s\nEOF\n", answer)
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	cfg := config(t, s, "kv-prod")
	cfg.Credential = Credential{Kind: "azure-cli", TenantID: s.TenantID()}
	v := opened(t, cfg, fastTuning())
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
}

// fetchToken asks the emulator's Entra for a token as any client would.
func fetchToken(t *testing.T, s *emulator.Server) string {
	t.Helper()
	transports, err := newTransports(config(t, s, "kv-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer transports.base.CloseIdleConnections()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()},
		"scope": {"https://vault.azure.net/.default"},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"https://login.microsoftonline.com/"+s.TenantID()+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := transports.plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("no token: %v, status %d", err, resp.StatusCode)
	}
	return body.Token
}

func TestCredentialsThatEntraRefuses(t *testing.T) {
	s := start(t, emulator.Options{FederatedToken: federatedToken})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, certPEM := newCertificate(t, rsaKey, &rsaKey.PublicKey)
	base := config(t, s, "kv-prod").Credential
	for name, c := range map[string]struct {
		change func(*Credential)
		want   string
	}{
		"wrong secret":        {func(c *Credential) { c.Secret = NewSecret("hunter2") }, "the client secret is wrong"},
		"unknown application": {func(c *Credential) { c.ClientID = "11111111-1111-1111-1111-111111111111" }, "the client id is not known"},
		"another tenant":      {func(c *Credential) { c.TenantID = "11111111-1111-1111-1111-111111111111" }, "the vault is in another tenant"},
		"unregistered certificate": {func(c *Credential) {
			*c = Credential{Kind: "client-certificate", TenantID: c.TenantID, ClientID: c.ClientID, CertificateFile: writeFile(t, "c.pem", certPEM)}
		}, "the certificate is not registered"},
		"wrong federated token": {func(c *Credential) {
			*c = Credential{Kind: "workload-identity", TenantID: c.TenantID, ClientID: c.ClientID, TokenFile: writeFile(t, "t", "other")}
		}, "no federated credential"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, s, "kv-prod")
			cfg.Credential = base
			c.change(&cfg.Credential)
			logs := &logBuffer{}
			cfg.Logger = logs.logger()
			s.ResetCounts()
			_, err := open(t.Context(), cfg, fastTuning())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if strings.Contains(logs.String()+fmt.Sprint(err), "hunter2") {
				t.Error("the secret is in the log or the error")
			}
			if n := s.Count(emulator.OpToken); n > 4 {
				t.Errorf("%d tokens were asked for", n)
			}
		})
	}
}

func TestCredentialsThatCannotBeBuilt(t *testing.T) {
	s := start(t, emulator.Options{})
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ecPEM := newCertificate(t, ecKey, &ecKey.PublicKey)
	for want, cred := range map[string]Credential{
		"the kind is missing":         {},
		"unknown kind":                {Kind: "password"},
		"the tenant id is missing":    {Kind: "client-secret", ClientID: "c"},
		"the client id is missing":    {Kind: "client-secret", TenantID: "t"},
		"have 0":                      {Kind: "client-secret", TenantID: "t", ClientID: "c"},
		"have 2":                      {Kind: "client-secret", TenantID: "t", ClientID: "c", SecretEnv: "X", SecretFile: "x"},
		"variable NOBODY is not set":  {Kind: "client-secret", TenantID: "t", ClientID: "c", SecretEnv: "NOBODY"},
		"no such file":                {Kind: "client-secret", TenantID: "t", ClientID: "c", SecretFile: "/nowhere"},
		"is empty":                    {Kind: "client-secret", TenantID: "t", ClientID: "c", SecretFile: writeFile(t, "empty", " \n")},
		"certificate file is missing": {Kind: "client-certificate", TenantID: "t", ClientID: "c"},
		"want a certificate":          {Kind: "client-certificate", TenantID: "t", ClientID: "c", CertificateFile: writeFile(t, "x", "x")},
		"key must be an RSA key":      {Kind: "client-certificate", TenantID: "t", ClientID: "c", CertificateFile: writeFile(t, "ec", ecPEM)},
		"federated token":             {Kind: "workload-identity", TenantID: "t", ClientID: "c", TokenFile: "/nowhere"},
		"no client ID specified":      {Kind: "workload-identity"},
	} {
		cfg := config(t, s, "kv-prod")
		cfg.Credential = cred
		if _, err := open(t.Context(), cfg, fastTuning()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", cred, err, want)
		}
	}
}

func TestRotatedSecretNeedsNoRestart(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.Credential.Secret = Secret{}
	cfg.Credential.SecretFile = writeFile(t, "secret", "the-old-one")
	v, err := newVault(cfg, fastTuning()) // builds the credential with the old secret
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	if err := os.WriteFile(cfg.Credential.SecretFile, []byte(s.ClientSecret()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
	if n := s.Count(emulator.OpToken); n != 2 {
		t.Errorf("%d tokens were asked for, want the refused one and the new one", n)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	secret := NewSecret("hunter2")
	cred := Credential{Kind: "client-secret", Secret: secret}
	var texts []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		// In members that are not exported nothing is asked to print itself.
		hidden := struct{ cred Credential }{cred}
		texts = append(texts, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, cred), fmt.Sprintf(verb, &cred), fmt.Sprintf(verb, hidden))
	}
	asJSON, err := json.Marshal(cred)
	if err != nil {
		t.Fatal(err)
	}
	logs := &logBuffer{}
	logs.logger().Info("credential", "cred", cred, "secret", secret)
	for _, text := range append(texts, string(asJSON), logs.String(), secret.String()) {
		if strings.Contains(text, "hunter2") || strings.Contains(strings.ToLower(text), "68756e74657232") {
			t.Errorf("the secret is in %q", text)
		}
	}
	var back Secret
	if err := back.UnmarshalText([]byte("hunter2")); err != nil || back.reveal() != "hunter2" || back.IsZero() {
		t.Errorf("reading a secret: %v", err)
	}
}
