package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func sharedKey(t testing.TB) [32]byte {
	t.Helper()
	key, err := hex.DecodeString(sharedHex[2:])
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(key)
}

// TestSecretTokens: the table of the engine API, with tokens as go-ethereum's client
// makes them (it uses the same module), and no claim says who asks.
func TestSecretTokens(t *testing.T) {
	d := newDesk(t, nil)
	now, key := d.clock.at.Unix(), sharedKey(t)
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		why    string // "": taken
	}{
		"now":              {jwt.MapClaims{"iat": now}, ""},
		"60 s ago":         {jwt.MapClaims{"iat": now - 60}, ""},
		"in 60 s":          {jwt.MapClaims{"iat": now + 60}, ""},
		"names":            {jwt.MapClaims{"iat": now, "sub": "local", "id": "admin", "clv": "x", "aud": "y", "iss": "z"}, ""},
		"ends later":       {jwt.MapClaims{"iat": now, "exp": now + 1}, ""},
		"61 s ago":         {jwt.MapClaims{"iat": now - 61}, "more than 60 s ago"},
		"in 61 s":          {jwt.MapClaims{"iat": now + 61}, "in the future"},
		"no time":          {jwt.MapClaims{}, "does not say when"},
		"null":             {jwt.MapClaims{"iat": nil}, "iat of the token is no time"},
		"text":             {jwt.MapClaims{"iat": fmt.Sprint(now)}, "iat of the token is no time"},
		"negative":         {jwt.MapClaims{"iat": -1}, "iat of the token is no time"},
		"huge":             {jwt.MapClaims{"iat": 1e300}, "iat of the token is no time"},
		"ended":            {jwt.MapClaims{"iat": now, "exp": now}, "expired"},
		"end that is none": {jwt.MapClaims{"iat": now, "exp": "never"}, "exp of the token is no time"},
		"begins later":     {jwt.MapClaims{"iat": now, "nbf": now + 61}, "not valid yet"},
	} {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.t = t
			token := made(t, jwt.SigningMethodHS256, nil, c.claims, key[:])
			if c.why == "" {
				d.takes(token, "consensus")
				return
			}
			d.denies(token, c.why)
		})
	}
	d.denies(made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": now}, []byte("another secret of some length...")), "not signed with the secret")
	d.denies(made(t, jwt.SigningMethodHS512, nil, jwt.MapClaims{"iat": now}, key[:]), "no signed token")
}

// TestSecretOfItsTime: the secret counts that there is when a token comes.
func TestSecretOfItsTime(t *testing.T) {
	const nextHex = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	next, err := hex.DecodeString(nextHex)
	if err != nil {
		t.Fatal(err)
	}
	before := sharedKey(t)
	text := sharedHex
	d := newDesk(t, func(cfg *Config) {
		cfg.Secret = func() *Secret {
			secret, err := NewSecret(text, "consensus")
			if err != nil {
				t.Error(err)
			}
			return secret
		}
	})
	token := func(key []byte) string {
		return made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": d.clock.at.Unix()}, key)
	}
	d.takes(token(before[:]), "consensus")
	text = nextHex
	d.denies(token(before[:]), "not signed with the secret")
	d.takes(token(next), "consensus")
}

func TestSame(t *testing.T) {
	secret := func(text, principal string) *Secret {
		made, err := NewSecret(text, principal)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first, other := sharedHex, strings.Repeat("f", 64)
	for _, c := range []struct {
		a, b *Secret
		same bool
	}{
		{secret(first, "jwt"), secret(" "+first[2:]+"\n", "jwt"), true},
		{secret(first, "jwt"), secret(other, "jwt"), false},
		{secret(first, "jwt"), secret(first, "other"), false},
	} {
		if same := c.a.Same(c.b); same != c.same {
			t.Errorf("same: %v, want %v", same, c.same)
		}
	}
}

// TestSecretsThatAreNone: a file of another form is refused, and not shown.
func TestSecretsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "0x", sharedHex[:64], sharedHex + "00", strings.Repeat("zz", 32), sharedHex + "\n" + sharedHex, "0x" + sharedHex} {
		if _, err := NewSecret(text, "x"); err == nil || len(text) > 4 && strings.Contains(err.Error(), text[2:]) {
			t.Errorf("%q: %v", text, err)
		}
	}
	secret, err := NewSecret(sharedHex, "x")
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret); strings.Contains(shown, "123") || strings.Contains(shown, "1 35") {
		t.Error(shown)
	}
	if _, err := NewSecret(sharedHex, ""); err == nil {
		t.Error("a secret without a name is taken")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("tokens without anything that verifies them")
	}
}

// TestHeaders: one Authorization header, of that scheme, bounded.
func TestHeaders(t *testing.T) {
	d := newDesk(t, nil)
	key := sharedKey(t)
	good := made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": d.clock.at.Unix()}, key[:])
	for name, c := range map[string]struct {
		values []string
		why    string
	}{
		"lower case":  {[]string{"bearer " + good}, ""},
		"two spaces":  {[]string{"Bearer  " + good}, ""},
		"none":        {nil, "no bearer token"},
		"empty":       {[]string{""}, "no bearer token"},
		"scheme only": {[]string{"Bearer "}, "no bearer token"},
		"basic":       {[]string{"Basic " + good}, "no bearer token"},
		"bare":        {[]string{good}, "no bearer token"},
		"two":         {[]string{"Bearer " + good, "Bearer " + good}, "more than one"},
		"long":        {[]string{"Bearer " + strings.Repeat("a", maxToken+1)}, "too long"},
		"trailing":    {[]string{"Bearer " + good + " x"}, "no signed token"},
		"list":        {[]string{"Bearer " + good + ",Bearer " + good}, "no signed token"},
	} {
		got, _, err := d.tokens.Identify(t.Context(), http.Header{"Authorization": c.values, "X-Authorization": {"Bearer " + good}, "Cookie": {good}})
		switch {
		case c.why == "" && (err != nil || got != "consensus"):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.why == "no bearer token" && !errors.Is(err, ErrNoToken):
			t.Errorf("%s: %v is not ErrNoToken", name, err)
		}
	}
}

// TestSecretTokenEnds: a token that gives an end is good until then.
func TestSecretTokenEnds(t *testing.T) {
	d := newDesk(t, nil)
	key, end := sharedKey(t), d.clock.at.Add(10*time.Second)
	if ends := d.takes(made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": d.clock.at.Unix(), "exp": end.Unix()}, key[:]), "consensus"); !ends.Equal(end) {
		t.Errorf("ends %s, want %s", ends, end)
	}
}
