package identity

import (
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// methodOf returns the method of a key of RSA.
func methodOf(any) jwt.SigningMethod { return jwt.SigningMethodRS256 }

// FuzzTokens: no header that was not signed here names anybody.
func FuzzTokens(f *testing.F) {
	d := newDesk(f, nil)
	key := sharedKey(f)
	mine := made(f, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": d.clock.at.Unix()}, key[:])
	good := map[string]bool{d.signed(firstKey, nil): true, d.signed(curveKey, nil): true, mine: true}
	for token := range good {
		d.takes(token, map[bool]string{true: "consensus", false: "batcher"}[token == mine])
		header, payload, signature := parts(token)
		f.Add("Bearer " + header + "." + payload + "." + signature[1:])
		f.Add("Bearer " + header + "." + payload[1:] + "." + signature)
		f.Add("Bearer e30." + payload + "." + signature)
		f.Add("Bearer " + header + ".." + signature)
	}
	f.Add("Bearer " + made(f, jwt.SigningMethodNone, nil, d.claims(nil), jwt.UnsafeAllowNoneSignatureType))
	f.Add("Basic dXNlcjpwYXNz")
	f.Fuzz(func(t *testing.T, value string) {
		name, _, err := d.tokens.Identify(t.Context(), http.Header{"Authorization": {value}})
		if err == nil || name != "" {
			if token, err := bearer(http.Header{"Authorization": {value}}); err != nil || !good[token] {
				t.Errorf("%q names %q", value, name)
			}
		}
	})
}

// FuzzKeys: no set of keys makes the reader fail, and none gives it a weak key.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`))
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`))
	f.Add([]byte(`{"kty":"oct","k":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, ok := readKey(text); ok && (k.public == nil || k.algorithm != "RS256" && k.algorithm != "ES256") {
			t.Errorf("%q gives %+v", text, k)
		}
	})
}
