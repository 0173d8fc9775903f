package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

// TestIssuersTokens: what a token must say, each alone.
func TestIssuersTokens(t *testing.T) {
	d := newDesk(t, nil)
	now := d.clock.at.Unix()
	for name, c := range map[string]struct {
		change map[string]any
		why    string
	}{
		"good":                {nil, ""},
		"audiences":           {map[string]any{"aud": []string{"x", audience}}, ""},
		"no iat, no nbf":      {map[string]any{"iat": nil, "nbf": nil}, ""},
		"ended 59 s ago":      {map[string]any{"exp": now - 59}, ""},
		"fraction":            {map[string]any{"exp": float64(now) + 0.5}, ""},
		"ended 60 s ago":      {map[string]any{"exp": now - 60}, "expired"},
		"no end":              {map[string]any{"exp": nil}, "has no end"},
		"end is null":         {map[string]any{"exp": json.RawMessage("null")}, "exp of the token is no time"},
		"end is a text":       {map[string]any{"exp": "99999999999"}, "exp of the token is no time"},
		"end overflows":       {map[string]any{"exp": json.RawMessage("1e400")}, "exp of the token is no time"},
		"begins in 61 s":      {map[string]any{"nbf": now + 61}, "not valid yet"},
		"issued in 61 s":      {map[string]any{"iat": now + 61}, "in the future"},
		"issued in 60.5 s":    {map[string]any{"iat": float64(now) + 60.5}, "in the future"},
		"other issuer":        {map[string]any{"iss": "https://elsewhere.example"}, "another issuer"},
		"issuer with a slash": {map[string]any{"iss": d.issuer.URL + "/"}, "another issuer"},
		"issuers":             {map[string]any{"iss": []string{d.issuer.URL}}, "another issuer"},
		"no issuer":           {map[string]any{"iss": nil}, "another issuer"},
		"other audience":      {map[string]any{"aud": "api://other"}, "another audience"},
		"audience in part":    {map[string]any{"aud": audience + "/x"}, "another audience"},
		"no audience":         {map[string]any{"aud": nil}, "another audience"},
		"audience is null":    {map[string]any{"aud": json.RawMessage("null")}, "another audience"},
		"audience of objects": {map[string]any{"aud": []any{map[string]string{"x": audience}}}, "another audience"},
		"nobody":              {map[string]any{"sub": nil}, "claim sub"},
		"empty name":          {map[string]any{"sub": ""}, "claim sub"},
		"number":              {map[string]any{"sub": 7}, "claim sub"},
		"other spelling":      {map[string]any{"sub": nil, "SUB": "batcher"}, "claim sub"},
	} {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.t = t
			for _, kid := range []string{firstKey, curveKey} {
				if token := d.signed(kid, c.change); c.why == "" {
					d.takes(token, "batcher")
				} else {
					d.denies(token, c.why)
				}
			}
		})
	}
	if asked := d.issuer.Asked(issuertest.KeysPath); asked != 1 {
		t.Errorf("the keys were asked for %d times", asked)
	}
}

// TestAttacks are those of RFC 8725, sections 2 and 3, by somebody who knows the
// public keys and has good tokens of others.
func TestAttacks(t *testing.T) {
	d := newDesk(t, nil)
	good := d.signed(firstKey, nil)
	d.takes(good, "batcher")
	public, err := x509.MarshalPKIXPublicKey(d.key(firstKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	modulus := d.key(firstKey).Public().(*rsa.PublicKey).N.Bytes()
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kid := map[string]any{"kid": firstKey}
	with := func(name string, value any) map[string]any { return map[string]any{"kid": firstKey, name: value} }
	claims := d.claims(nil)
	header, payload, signature := parts(good)
	raw := base64.RawURLEncoding.EncodeToString
	for name, token := range map[string]string{
		"2.1 none":                     made(t, jwt.SigningMethodNone, kid, claims, jwt.UnsafeAllowNoneSignatureType),
		"2.1 None":                     raw([]byte(`{"alg":"None","kid":"first"}`)) + "." + payload + ".",
		"2.1 nONE with a signature":    raw([]byte(`{"alg":"nONE","kid":"first"}`)) + "." + payload + "." + signature,
		"2.1 no algorithm":             raw([]byte(`{"kid":"first"}`)) + "." + payload + "." + signature,
		"2.1 list of algorithms":       raw([]byte(`{"alg":["RS256"],"kid":"first"}`)) + "." + payload + "." + signature,
		"2.1 two algorithms":           raw([]byte(`{"alg":"RS256","alg":"none","kid":"first"}`)) + "." + payload + "." + signature,
		"2.1 HS256 with the PEM":       made(t, jwt.SigningMethodHS256, kid, claims, block),
		"2.1 HS256 with the DER":       made(t, jwt.SigningMethodHS256, kid, claims, public),
		"2.1 HS256 with the modulus":   made(t, jwt.SigningMethodHS256, kid, claims, modulus),
		"2.1 HS256 with nothing":       made(t, jwt.SigningMethodHS256, kid, claims, []byte{}),
		"2.1 stripped":                 header + "." + payload + ".",
		"2.1 RS256 by the curve's key": made(t, jwt.SigningMethodES256, map[string]any{"kid": firstKey}, claims, d.key(curveKey)),
		"3.1 RS512":                    made(t, jwt.SigningMethodRS512, kid, claims, d.key(firstKey)),
		"3.1 PS256":                    made(t, jwt.SigningMethodPS256, kid, claims, d.key(firstKey)),
		"3.2 ES384":                    made(t, jwt.SigningMethodES384, kid, claims, p384),
		"2.6 own key":                  made(t, jwt.SigningMethodRS256, kid, claims, own),
		"3.10 key in the header":       made(t, jwt.SigningMethodRS256, with("jwk", issuertest.JWK(firstKey, own.Public())), claims, own),
		"3.10 address of keys":         made(t, jwt.SigningMethodRS256, with("jku", d.issuer.URL+"/stolen"), claims, own),
		"3.10 certificates":            made(t, jwt.SigningMethodRS256, with("x5u", d.issuer.URL+"/stolen"), claims, own),
		"3.10 key id that is a path":   made(t, jwt.SigningMethodRS256, map[string]any{"kid": "../../../dev/null"}, claims, own),
		"3.10 key id that is SQL":      made(t, jwt.SigningMethodRS256, map[string]any{"kid": "' OR 1=1 --"}, claims, own),
		"3.10 long key id":             made(t, jwt.SigningMethodRS256, map[string]any{"kid": strings.Repeat("k", 10_000)}, claims, own),
		"3.10 key id that is a number": made(t, jwt.SigningMethodRS256, map[string]any{"kid": 7}, claims, d.key(firstKey)),
		"7515 critical extension":      made(t, jwt.SigningMethodRS256, with("crit", []string{"exp"}), claims, d.key(firstKey)),
		"7515 empty crit":              made(t, jwt.SigningMethodRS256, with("crit", []string{}), claims, d.key(firstKey)),
		"7797 b64":                     made(t, jwt.SigningMethodRS256, map[string]any{"kid": firstKey, "b64": true, "crit": []string{"b64"}}, claims, d.key(firstKey)),
		"7797 b64 alone":               made(t, jwt.SigningMethodRS256, with("b64", true), claims, d.key(firstKey)),
		"3.11 type of another end":     made(t, jwt.SigningMethodRS256, with("typ", "logout+jwt"), claims, d.key(firstKey)),
		"3.11 security event":          made(t, jwt.SigningMethodRS256, with("typ", "secevent+jwt"), claims, d.key(firstKey)),
		"3.11 type that is a list":     made(t, jwt.SigningMethodRS256, with("typ", []string{"JWT"}), claims, d.key(firstKey)),
		"other claims":                 header + "." + raw([]byte(`{"sub":"root"}`)) + "." + signature,
		"JSON serialisation":           `{"payload":"` + payload + `","protected":"` + header + `","signature":"` + signature + `"}`,
		"five parts":                   good + "." + payload + "." + signature,
		"two parts":                    header + "." + payload,
		"padding":                      header + "." + payload + "." + signature + "==",
		"null claims":                  made(t, jwt.SigningMethodRS256, kid, nothing{}, d.key(firstKey)),
		"ES256 of zeros":               raw([]byte(`{"alg":"ES256","kid":"curve"}`)) + "." + payload + "." + raw(make([]byte, 64)),
		"ES256 in DER":                 raw([]byte(`{"alg":"ES256","kid":"curve"}`)) + "." + payload + "." + raw([]byte{0x30, 6, 2, 1, 1, 2, 1, 1}),
	} {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.t = t
			d.denies(token, "")
		})
	}
	if asked := d.issuer.Asked("/stolen"); asked != 0 {
		t.Error("an address in a token was followed")
	}
	d.takes(made(t, jwt.SigningMethodRS256, map[string]any{"kid": firstKey, "typ": "at+jwt"}, claims, d.key(firstKey)), "batcher")
	d.takes(made(t, jwt.SigningMethodRS256, map[string]any{"kid": firstKey, "typ": nil}, claims, d.key(firstKey)), "batcher")
	d.takes(made(t, jwt.SigningMethodRS256, map[string]any{"kid": nil}, claims, d.key(firstKey)), "batcher") // one key of RSA is there
}

// nothing are claims that are null.
type nothing struct{ jwt.MapClaims }

func (nothing) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func parts(token string) (header, payload, signature string) {
	all := strings.Split(token, ".")
	return all[0], all[1], all[2]
}

// TestEitherAlone: what is not configured does not count.
func TestEitherAlone(t *testing.T) {
	key := sharedKey(t)
	issuerOnly := newDesk(t, func(c *Config) { c.Secret = nil })
	issuerOnly.denies(made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": issuerOnly.clock.at.Unix()}, key[:]), "no signed token")
	secretOnly := newDesk(t, func(c *Config) { c.Issuer = nil })
	secretOnly.denies(secretOnly.signed(firstKey, nil), "no signed token")
	curves := newDesk(t, func(c *Config) { c.Issuer.Algorithms, c.Issuer.PrincipalClaim = []string{"ES256"}, "azp" })
	curves.denies(curves.signed(firstKey, map[string]any{"azp": "app"}), "no signed token")
	curves.takes(curves.signed(curveKey, map[string]any{"azp": "app"}), "app")
	curves.denies(curves.signed(curveKey, nil), "claim azp")
}

// TestIssuersThatAreNone are refused at the start.
func TestIssuersThatAreNone(t *testing.T) {
	good := Issuer{URL: "https://issuer.example/tenant", Audience: "x"}
	for name, c := range map[string]struct {
		change func(*Issuer)
		why    string
	}{
		"plain http":     {func(i *Issuer) { i.URL = "http://issuer.example" }, "not an https URL"},
		"no host":        {func(i *Issuer) { i.URL = "https:///x" }, "not an https URL"},
		"password":       {func(i *Issuer) { i.URL, i.Audience = "https://a:hunter2@issuer.example", "" }, "may have none"},
		"malformed":      {func(i *Issuer) { i.URL, i.Audience = "https://a:hunter2@issuer .example", "" }, "not an https URL"},
		"none":           {func(i *Issuer) { i.URL = "" }, "not an https URL"},
		"fragment":       {func(i *Issuer) { i.URL += "#x" }, "not an https URL"},
		"keys in clear":  {func(i *Issuer) { i.KeysURL = "http://issuer.example/keys" }, "not an https URL"},
		"no audience":    {func(i *Issuer) { i.Audience = "" }, "no audience"},
		"HS256":          {func(i *Issuer) { i.Algorithms = []string{"HS256"} }, "neither RS256 nor ES256"},
		"none algorithm": {func(i *Issuer) { i.Algorithms = []string{"RS256", "none"} }, "neither RS256 nor ES256"},
		"twice":          {func(i *Issuer) { i.Algorithms = []string{"RS256", "RS256"} }, "twice"},
	} {
		issuer := good
		c.change(&issuer)
		if _, err := New(Config{Issuer: &issuer}); err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenEnds: a token counts to its end, and as long as clocks may differ.
func TestTokenEnds(t *testing.T) {
	d := newDesk(t, nil)
	if ends := d.takes(d.signed(firstKey, nil), "batcher"); !ends.Equal(d.clock.at.Add(360 * time.Second)) {
		t.Errorf("ends %s after", ends.Sub(d.clock.at))
	}
}
