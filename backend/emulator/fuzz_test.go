package emulator_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
)

// FuzzVaultRequest sends any method, path, query and body as an authenticated
// caller: the answer is always a JSON document or empty, never a crash, and never
// a status that a vault does not have.
func FuzzVaultRequest(f *testing.F) {
	id := "/0123456789abcdef0123456789abcdef"
	for _, seed := range []struct{ method, path, query, body string }{
		{"POST", "/keys/k/create", "api-version=7.5", `{"kty":"EC","crv":"P-256K","attributes":{"exp":4102444800},"tags":{"a":"b"}}`},
		{"PUT", "/keys/k", "api-version=7.5", `{"key":{"kty":"EC","crv":"P-256K","d":"AQ"},"Hsm":true}`},
		{"PUT", "/keys/k", "api-version=7.5", `{"key":{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}}`},
		{"GET", "/keys", "api-version=7.5&maxresults=3&$skiptoken=eyJOZXh0TWFya2VyIjoiayJ9", ""},
		{"GET", "/keys/k/versions", "api-version=7.5", ""},
		{"POST", "/keys/k/sign", "api-version=7.5", `{"alg":"ES256K","value":"ltYuKr0-Qt5fUDMPuO_ExVmYNSeAd7IemqCzPB3wehw"}`},
		{"POST", "/keys/k" + id + "/verify", "api-version=7.5", `{"alg":"ES256K","digest":"ltYuKr0-Qt5fUDMPuO_ExVmYNSeAd7IemqCzPB3wehw","value":"AA"}`},
		{"PATCH", "/keys/k" + id, "api-version=7.5", `{"attributes":{"enabled":false}}`},
		{"PUT", "/keys/k/rotationpolicy", "api-version=7.5", `{"attributes":{"expiryTime":"P1Y"},"lifetimeActions":[]}`},
		{"DELETE", "/keys/k", "api-version=7.5", ""},
		{"POST", "/deletedkeys/k/recover", "api-version=7.5", ""},
		{"DELETE", "/deletedkeys/k", "api-version=7.5", ""},
		{"POST", "/keys/k/rotate", "", ""},
		{"GET", "//keys//../%2e", "%", "\x00"},
	} {
		f.Add(seed.method, seed.path, seed.query, []byte(seed.body))
	}
	s := start(f, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		f.Fatal(err)
	}
	c := newRaw(f, s, "dev", false)
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		if bytes.Contains(body, []byte("RSA")) && bytes.Contains(body, []byte("key_size")) {
			t.Skip("making large RSA keys takes seconds")
		}
		req, err := http.NewRequestWithContext(t.Context(), method, c.base, bytes.NewReader(body))
		if err != nil {
			t.Skip("not a request")
		}
		req.URL.Path, req.URL.RawQuery = path, query
		req.Header.Set("Authorization", "Bearer "+c.token)
		answer, err := c.send(req)
		if err != nil {
			t.Skip("not a request that HTTP can carry")
		}
		checkVaultAnswer(t, c, answer)
	})
}

func checkVaultAnswer(t *testing.T, c *rawClient, answer rawAnswer) {
	t.Helper()
	switch answer.status {
	case 200, 400, 403, 404, 409, 413, 501:
		if answer.header.Get("x-ms-request-id") == "" { // refused by net/http before the vault saw it
			return
		}
		if len(answer.body) > 0 {
			decodeJSON(t, answer.body)
		}
	case 204:
	case 429, 431, 405, 414, 505: // net/http's
	default:
		t.Fatalf("status %d: %s", answer.status, answer.body)
	}
	// Whatever it was, the vault still answers.
	if status, reply := c.call(t, http.MethodGet, "/keys", nil); status != http.StatusOK {
		t.Fatalf("afterwards: %d %v", status, reply)
	}
}

// FuzzTokenRequest sends any form to the token endpoint: nobody gets a token
// without the secret.
func FuzzTokenRequest(f *testing.F) {
	s := start(f, emulator.Options{ClientSecret: "the secret that the fuzzer does not find"})
	c := newRaw(f, s, "dev", false)
	form := secretForm(s, "https://vault.azure.net")
	form.Set("client_secret", "wrong")
	f.Add(form.Encode())
	form.Del("client_secret")
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", "eyJhbGciOiJub25lIn0.e30.")
	f.Add(form.Encode())
	f.Add("%zz=;&")
	f.Fuzz(func(t *testing.T, body string) {
		req := c.request(t, http.MethodPost, "https://login.microsoftonline.com/"+s.TenantID()+"/oauth2/v2.0/token",
			bytes.NewReader([]byte(body)), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		answer, err := c.send(req)
		if err != nil {
			t.Skip("not a request that HTTP can carry")
		}
		if answer.status < 400 || answer.status >= 500 {
			t.Fatalf("status %d: %s", answer.status, answer.body)
		}
		decodeJSON(t, answer.body)
	})
}

// FuzzState starts on any state file: it starts or it refuses, and leaves a file
// that it refuses as it was.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"vaults":{}}`))
	f.Add([]byte(`{"version":1,"vaults":{"dev":{"keys":[{"name":"k","versions":[{"id":"0123456789abcdef0123456789abcdef","curve":"P-256K","d":"AQ"}]}]}}}`))
	f.Add([]byte(`{"version":1,"vaults":{"dev":{"deleted":[{"name":"k","deleted_at":"2026-01-01T00:00:00Z","versions":[{"id":"0","pkcs1":"AA=="}]}]}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := emulator.Start(t.Context(), emulator.Options{StateFile: path})
		if err == nil {
			err = s.Close()
			if err != nil {
				t.Fatal(err)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(after, content) {
			t.Fatalf("the file was changed: %v", err)
		}
	})
}
