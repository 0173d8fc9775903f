package emulator_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestTokensAreChecked: the vault takes its own tenant's live tokens for its own
// audience, and no others.
func TestTokensAreChecked(t *testing.T) {
	s, other := start(t, emulator.Options{}), start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	live := c.token
	parts := strings.Split(live, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), s.ClientID(), s.TenantID(), 1)))
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"aud": "https://vault.azure.net"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, token, says string
		status            int
	}{
		{"live", live, "", 200},
		{"none", "", "AKV10000", 401},
		{"another audience", c.fetchToken(t, s, "https://managedhsm.azure.net"), "AKV10022", 401},
		{"another server's", newRaw(t, other, "dev", true).token, "AKV10046", 401},
		{"forged claims", parts[0] + "." + forged + "." + parts[2], "AKV10046", 401},
		{"cut", live[:len(live)-2], "AKV10046", 401},
		{"unsigned", none, "AKV10046", 401},
		{"not a JWT", "token", "AKV10046", 401},
	} {
		c.token = tc.token
		answer := c.must(t, c.vaultRequest(t, http.MethodGet, "/keys", nil))
		if answer.status != tc.status || !strings.Contains(string(answer.body), tc.says) {
			t.Errorf("%s: %d %s", tc.name, answer.status, answer.body)
		}
		if challenged := answer.header.Get("WWW-Authenticate") != ""; challenged != (tc.status == 401) {
			t.Errorf("%s: challenge %t", tc.name, challenged)
		}
	}
	if challenges, denied := s.Count(emulator.OpChallenge), s.Count(emulator.OpDenied); challenges != 1 || denied != 6 {
		t.Errorf("%d challenges, %d denied", challenges, denied)
	}
}

// TestTokensExpire: a token is refused once its life is over.
func TestTokensExpire(t *testing.T) {
	s := start(t, emulator.Options{TokenLifetime: 2 * time.Second})
	c := newRaw(t, s, "dev", true)
	if status, reply := c.call(t, http.MethodGet, "/keys", nil); status != http.StatusOK {
		t.Fatalf("at first: %d %v", status, reply)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var answer rawAnswer
	for range 1500 {
		answer = c.must(t, c.vaultRequest(t, http.MethodGet, "/keys", nil))
		if answer.status == http.StatusUnauthorized && strings.Contains(string(answer.body), "TokenExpired") {
			return
		}
		<-tick.C
	}
	t.Fatalf("long after its life: %d %s", answer.status, answer.body)
}

// TestTokenRequests: each mistake gets Entra's error for it.
func TestTokenRequests(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	change := func(name, value string) url.Values {
		form := secretForm(s, "https://vault.azure.net")
		form.Set(name, value)
		return form
	}
	noSecret := secretForm(s, "https://vault.azure.net")
	noSecret.Del("client_secret")
	assertion := change("client_assertion", "x.y.z")
	assertion.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	for _, tc := range []struct {
		name   string
		form   url.Values
		status int
		code   string
	}{
		{"grant", change("grant_type", "password"), 400, "AADSTS70003"},
		{"client", change("client_id", s.TenantID()), 400, "AADSTS700016"},
		{"secret", change("client_secret", ""), 401, "AADSTS7000215"},
		{"no secret", noSecret, 401, "AADSTS7000218"},
		{"scope", change("scope", "openid"), 400, "AADSTS1002012"},
		{"resource", change("scope", "https://example.org/.default"), 400, "AADSTS500011"},
		{"assertion type", change("client_assertion", "x.y.z"), 400, "AADSTS900144"},
		{"assertion, none registered", assertion, 401, "AADSTS70021"},
	} {
		answer := c.tokenRequest(t, s, tc.form)
		if answer.status != tc.status || !strings.Contains(string(answer.body), tc.code+": ") {
			t.Errorf("%s: %d %s", tc.name, answer.status, answer.body)
		}
		if strings.Contains(string(answer.body), s.ClientSecret()) {
			t.Errorf("%s: the secret is in the answer", tc.name)
		}
	}
	answer := c.must(t, c.request(t, http.MethodGet, "https://login.microsoftonline.com/other/v2.0/.well-known/openid-configuration", nil, nil))
	if answer.status != 400 || !strings.Contains(string(answer.body), "AADSTS90002") {
		t.Errorf("another tenant: %d %s", answer.status, answer.body)
	}
}

// TestPublishedKeysVerifyTokens: the JWK set that the configuration names has the
// key of the tokens.
func TestPublishedKeysVerifyTokens(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	get := func(target string) map[string]any {
		return decodeJSON(t, c.must(t, c.request(t, http.MethodGet, target, nil, nil)).body)
	}
	configuration := get("https://login.microsoftonline.com/" + s.TenantID() + "/v2.0/.well-known/openid-configuration")
	keys := get(configuration["jwks_uri"].(string))["keys"].([]any)
	token, _, err := jwt.NewParser().ParseUnverified(c.token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || keys[0].(map[string]any)["kid"] != token.Header["kid"] {
		t.Errorf("keys %v, token of %v", keys, token.Header["kid"])
	}
	claims := token.Claims.(jwt.MapClaims)
	for _, name := range []string{"aud", "iss", "exp", "nbf", "iat", "appid", "oid", "tid"} {
		if claims[name] == nil {
			t.Errorf("the token has no %s", name)
		}
	}
}
