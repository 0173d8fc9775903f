package emulator_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"maps"
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

// TestAssertions: a certificate's assertion must be of its key, for this endpoint
// and this client, and in time.
func TestAssertions(t *testing.T) {
	cert, key := newCertificate(t)
	_, otherKey := newCertificate(t)
	s := start(t, emulator.Options{ClientCertificates: []*x509.Certificate{cert}})
	c := newRaw(t, s, "dev", true)
	sum := sha256.Sum256(cert.Raw)
	good := jwt.MapClaims{
		"aud": "https://login.microsoftonline.com/" + s.TenantID() + "/oauth2/v2.0/token",
		"iss": s.ClientID(), "sub": s.ClientID(), "exp": time.Now().Add(time.Minute).Unix(), "nbf": time.Now().Add(-time.Minute).Unix(),
	}
	with := func(name string, value any) jwt.MapClaims {
		claims := maps.Clone(good)
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
		return claims
	}
	for _, tc := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
		code   string // "" is a token
	}{
		{"PS256", jwt.SigningMethodPS256, key, good, ""},
		{"RS256", jwt.SigningMethodRS256, key, good, ""},
		{"HS256 with the certificate as the secret", jwt.SigningMethodHS256, cert.Raw, good, "AADSTS700027"},
		{"unsigned", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good, "AADSTS700027"},
		{"another key", jwt.SigningMethodPS256, otherKey, good, "AADSTS700027"},
		{"expired", jwt.SigningMethodPS256, key, with("exp", time.Now().Add(-time.Minute).Unix()), "AADSTS700024"},
		{"early", jwt.SigningMethodPS256, key, with("nbf", time.Now().Add(time.Minute).Unix()), "AADSTS700024"},
		{"for ever", jwt.SigningMethodPS256, key, with("exp", nil), "AADSTS70021"},
		{"issuer", jwt.SigningMethodPS256, key, with("iss", s.TenantID()), "AADSTS70021"},
		{"subject", jwt.SigningMethodPS256, key, with("sub", s.TenantID()), "AADSTS70021"},
		{"audience", jwt.SigningMethodPS256, key, with("aud", "https://login.microsoftonline.us/"+s.TenantID()+"/oauth2/v2.0/token"), "AADSTS70021"},
	} {
		token := jwt.NewWithClaims(tc.method, tc.claims)
		token.Header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
		assertion, err := token.SignedString(tc.key)
		if err != nil {
			t.Fatal(err)
		}
		form := secretForm(s, "https://vault.azure.net")
		form.Del("client_secret")
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		answer := c.tokenRequest(t, s, form)
		if (answer.status == http.StatusOK) != (tc.code == "") || !strings.Contains(string(answer.body), tc.code) {
			t.Errorf("%s: %d %s", tc.name, answer.status, answer.body)
		}
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
