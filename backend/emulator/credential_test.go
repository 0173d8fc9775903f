package emulator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend/emulator"
)

// newCertificate is a client certificate as an operator would register it.
func newCertificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// credentials are the kinds that ask Entra for a token, each right or wrong.
func credentials(t *testing.T, s *emulator.Server, cert *x509.Certificate, key *rsa.PrivateKey) map[string]func(right bool) (azcore.TokenCredential, error) {
	other, otherKey := newCertificate(t)
	return map[string]func(bool) (azcore.TokenCredential, error){
		"secret": func(right bool) (azcore.TokenCredential, error) {
			secret := s.ClientSecret()
			if !right {
				secret += "x"
			}
			return azidentity.NewClientSecretCredential(s.TenantID(), s.ClientID(), secret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: clientOptions(t, s)})
		},
		"certificate": func(right bool) (azcore.TokenCredential, error) {
			c, k := cert, key
			if !right {
				c, k = other, otherKey
			}
			return azidentity.NewClientCertificateCredential(s.TenantID(), s.ClientID(), []*x509.Certificate{c}, k,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: clientOptions(t, s)})
		},
		"workload identity": func(right bool) (azcore.TokenCredential, error) {
			token := federatedToken
			if !right {
				token += "x"
			}
			return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: clientOptions(t, s), TenantID: s.TenantID(), ClientID: s.ClientID(), TokenFilePath: writeFile(t, "token", []byte(token)),
			})
		},
	}
}

const federatedToken = "header.payload.signature"

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryCredential gets a token by each kind of credential, and none by a wrong one.
func TestEveryCredential(t *testing.T) {
	cert, key := newCertificate(t)
	s := start(t, emulator.Options{ClientCertificates: []*x509.Certificate{cert}, FederatedToken: federatedToken})
	codes := map[string]string{
		"secret": "AADSTS7000215", "certificate": "AADSTS700027", "workload identity": "AADSTS70021",
	}
	for name, credential := range credentials(t, s, cert, key) {
		for _, right := range []bool{true, false} {
			cred, err := credential(right)
			if err != nil {
				t.Fatal(err)
			}
			pager := keysClient(t, s, "dev", cred).NewListKeyPropertiesPager(nil)
			_, err = pager.NextPage(t.Context())
			switch {
			case right && err != nil:
				t.Errorf("%s: %v", name, err)
			case !right && err == nil:
				t.Errorf("%s: a wrong one is accepted", name)
			case !right && !strings.Contains(err.Error(), codes[name]):
				t.Errorf("%s: refused without %s: %v", name, codes[name], err)
			}
		}
	}
}

// TestWrongSecretIsUnauthorized: the status, too, is Entra's.
func TestWrongSecretIsUnauthorized(t *testing.T) {
	s := start(t, emulator.Options{})
	_, err := keysClient(t, s, "dev", secretCredential(t, s, "wrong")).GetKey(t.Context(), "k", "", nil)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%v", err)
	}
	if n := s.Count(emulator.OpToken); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

// TestManagedIdentity asks both endpoints for a token. It does so without MSAL,
// which keeps such tokens for the life of the process, whoever gave them out.
func TestManagedIdentity(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", false)
	imds := "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
	appService := s.IdentityEndpoint() + "?api-version=2019-08-01&resource=https://vault.azure.net"
	metadata := http.Header{"Metadata": {"true"}}
	for _, tc := range []struct {
		name, url string
		header    http.Header
		status    int
	}{
		{"machine", imds, metadata, 200},
		{"machine, without the header", imds, nil, 400}, // how the SDKs probe for the endpoint
		{"machine, its client id", imds + "&client_id=" + s.ClientID(), metadata, 200},
		{"machine, another client id", imds + "&client_id=" + s.TenantID(), metadata, 400},
		{"machine, unknown resource", strings.Replace(imds, "vault.azure.net", "example.org", 1), metadata, 400},
		{"app service", appService, http.Header{"X-Identity-Header": {s.IdentityHeader()}}, 200},
		{"app service, wrong header", appService, http.Header{"X-Identity-Header": {"wrong"}}, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := c.must(t, c.request(t, http.MethodGet, tc.url, nil, tc.header))
			if answer.status != tc.status {
				t.Fatalf("status %d, want %d: %s", answer.status, tc.status, answer.body)
			}
			if tc.status != http.StatusOK {
				return
			}
			reply := decodeJSON(t, answer.body)
			for _, member := range []string{"access_token", "expires_in", "expires_on", "resource", "token_type"} {
				if text, _ := reply[member].(string); text == "" {
					t.Errorf("%s is %v, not a string", member, reply[member])
				}
			}
			c.token, _ = reply["access_token"].(string)
			if status, _ := c.call(t, http.MethodGet, "/keys", nil); status != http.StatusOK {
				t.Errorf("the vault refuses the token: %d", status)
			}
		})
	}
}

// TestExplicitAddress is the way without genuine names: by port, the checks that
// cannot hold there switched off.
func TestExplicitAddress(t *testing.T) {
	s := start(t, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	base := "https://" + s.Addr()
	options := clientOptions(t, s)
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: base + "/"}
	cred, err := azidentity.NewClientSecretCredential(s.TenantID(), s.ClientID(), s.ClientSecret(),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		url    string
		verify bool
	}{{base, false}, {s.LocalURL("dev"), true}} {
		client, err := azkeys.NewClient(tc.url, cred, &azkeys.ClientOptions{
			ClientOptions: clientOptions(t, s), DisableChallengeResourceVerification: !tc.verify,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.GetKey(t.Context(), "k", "", nil)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		if !strings.HasPrefix(string(*got.Key.KID), tc.url+"/keys/k/") {
			t.Errorf("%s: the kid is %s", tc.url, *got.Key.KID)
		}
	}
}

// TestBlackBox runs a program of its own that has no switch for tests: the
// environment alone leads it to the emulator.
func TestBlackBox(t *testing.T) {
	cert, key := newCertificate(t)
	s := start(t, emulator.Options{ClientCertificates: []*x509.Certificate{cert}, FederatedToken: federatedToken})
	k, err := s.CreateKey("dev", "k")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	bundle := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	id := []string{"AZURE_TENANT_ID=" + s.TenantID(), "AZURE_CLIENT_ID=" + s.ClientID()}
	for name, env := range map[string][]string{
		"secret":            append(id, "AZURE_CLIENT_SECRET="+s.ClientSecret()),
		"certificate":       append(id, "AZURE_CLIENT_CERTIFICATE_PATH="+writeFile(t, "client.pem", bundle)),
		"workload identity": append(id, "AZURE_FEDERATED_TOKEN_FILE="+writeFile(t, "token", []byte(federatedToken))),
		"managed identity":  nil,
		"app service":       {"IDENTITY_ENDPOINT=" + s.IdentityEndpoint(), "IDENTITY_HEADER=" + s.IdentityHeader()},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runSelf(t, s, env...)
			if err != nil || out != k.ID {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if n := s.Count(emulator.OpSign); n != 5 {
		t.Errorf("%d signatures", n)
	}
}

// TestUntrustedCA: whoever does not trust the CA gets nowhere.
func TestUntrustedCA(t *testing.T) {
	s, other := start(t, emulator.Options{}), start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	c.Client = httpClient(t, other, true) // other's CA
	c.Client.Transport.(*http.Transport).DialContext = s.DialContext
	var unknown x509.UnknownAuthorityError
	if _, err := c.send(c.vaultRequest(t, http.MethodGet, "/keys", nil)); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}
