package emulator_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

// rawClient speaks to the emulator without an SDK, so that tests see every byte.
type rawClient struct {
	*http.Client
	base  string // of the vault
	token string
}

type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

func newRaw(t testing.TB, s *emulator.Server, vault string, http2 bool) *rawClient {
	t.Helper()
	c := &rawClient{Client: httpClient(t, s, http2), base: s.VaultURL(vault)}
	_, domain, _ := strings.Cut(c.base, ".")
	c.token = c.fetchToken(t, s, "https://"+domain)
	return c
}

// fetchToken gets an access token for resource with the client's secret.
func (c *rawClient) fetchToken(t testing.TB, s *emulator.Server, resource string) string {
	t.Helper()
	answer := c.tokenRequest(t, s, secretForm(s, resource))
	if answer.status != http.StatusOK {
		t.Fatalf("token request: %d %s", answer.status, answer.body)
	}
	var reply struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer.body, &reply); err != nil {
		t.Fatal(err)
	}
	return reply.AccessToken
}

func secretForm(s *emulator.Server, resource string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()},
		"scope": {resource + "/.default openid offline_access profile"},
	}
}

func (c *rawClient) tokenRequest(t testing.TB, s *emulator.Server, form url.Values) rawAnswer {
	t.Helper()
	return c.must(t, c.request(t, http.MethodPost, "https://login.microsoftonline.com/"+s.TenantID()+"/oauth2/v2.0/token",
		strings.NewReader(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}))
}

func (c *rawClient) request(t testing.TB, method, target string, body io.Reader, h http.Header) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	return req
}

// send returns an error for everything that is not a complete answer.
func (c *rawClient) send(req *http.Request) (rawAnswer, error) {
	resp, err := c.Do(req)
	if err != nil {
		return rawAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return rawAnswer{}, fmt.Errorf("reading the body: %w", err)
	}
	return rawAnswer{resp.StatusCode, resp.Header, body}, nil
}

func (c *rawClient) must(t testing.TB, req *http.Request) rawAnswer {
	t.Helper()
	answer, err := c.send(req)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// vaultRequest is an authenticated request to the vault, api-version included.
func (c *rawClient) vaultRequest(t testing.TB, method, path string, body any) *http.Request {
	t.Helper()
	var reader io.Reader
	h := http.Header{"Authorization": {"Bearer " + c.token}}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(b)
		h.Set("Content-Type", "application/json")
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return c.request(t, method, c.base+path+separator+"api-version=7.5", reader, h)
}

// call sends an authenticated request and decodes the JSON answer.
func (c *rawClient) call(t testing.TB, method, path string, body any) (int, map[string]any) {
	t.Helper()
	answer := c.must(t, c.vaultRequest(t, method, path, body))
	if len(answer.body) == 0 {
		return answer.status, nil
	}
	var reply map[string]any
	if err := json.Unmarshal(answer.body, &reply); err != nil {
		t.Fatalf("%s %s: %d %q: %v", method, path, answer.status, answer.body, err)
	}
	return answer.status, reply
}

// errorCodes returns error.code and error.innererror.code.
func errorCodes(reply map[string]any) (code, inner string) {
	e, _ := reply["error"].(map[string]any)
	code, _ = e["code"].(string)
	i, _ := e["innererror"].(map[string]any)
	inner, _ = i["code"].(string)
	return code, inner
}

func decodeJSON(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

// lowS replaces a high s: the verifying library takes low s only.
func lowS(signature []byte) []byte {
	if len(signature) != 64 {
		return signature
	}
	n := crypto.S256().Params().N
	s := new(big.Int).SetBytes(signature[32:])
	out := bytes.Clone(signature)
	if s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, s).FillBytes(out[32:])
	}
	return out
}

func signatureOf(t testing.TB, reply map[string]any) []byte {
	t.Helper()
	text, _ := reply["value"].(string)
	signature, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("signature %q: %v", text, err)
	}
	return signature
}
