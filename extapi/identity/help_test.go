package identity

import (
	"crypto"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	audience  = "api://kvclef"
	sharedHex = "0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	firstKey  = "first"
	curveKey  = "curve"
)

// clock is a time that tests change.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// desk is a verifier with a real issuer, at a time of the test's choice.
type desk struct {
	t      testing.TB
	clock  *clock
	issuer *issuertest.Issuer
	tokens *Tokens
	log    *strings.Builder
}

func newDesk(t testing.TB, change func(*Config)) *desk {
	t.Helper()
	issuer, err := issuertest.New(firstKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	if _, err := issuer.AddEC(curveKey); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, clock: &clock{time.Unix(1_800_000_000, 0)}, issuer: issuer, log: new(strings.Builder)}
	secret, err := NewSecret(sharedHex, "consensus")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Secret: func() *Secret { return secret }, Clock: d.clock.now, Issuer: &Issuer{
		URL: issuer.URL, Audience: audience, Client: issuer.Client(), Logger: slog.New(slog.NewTextHandler(d.log, nil)),
	}}
	if change != nil {
		change(&cfg)
	}
	if d.tokens, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.tokens.Close)
	return d
}

// claims are good ones, changed; nil takes one away.
func (d *desk) claims(change map[string]any) jwt.MapClaims {
	now := d.clock.at.Unix()
	claims := jwt.MapClaims{"iss": d.issuer.URL, "aud": audience, "sub": "batcher", "iat": now, "nbf": now, "exp": now + 300}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func (d *desk) signed(kid string, change map[string]any) string {
	d.t.Helper()
	token, err := d.issuer.Sign(kid, d.claims(change))
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func made(t testing.TB, method jwt.SigningMethod, header map[string]any, claims jwt.Claims, key any) string {
	t.Helper()
	token, err := issuertest.Sign(method, header, claims, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func sent(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// takes wants a token to name somebody.
func (d *desk) takes(token, name string) time.Time {
	d.t.Helper()
	got, ends, err := d.tokens.Identify(d.t.Context(), sent(token))
	if err != nil || got != name {
		d.t.Errorf("%q, %v, want %s", got, err, name)
	}
	return ends
}

// denies wants a token to name nobody, and the error to have nothing of it.
func (d *desk) denies(token, why string) {
	d.t.Helper()
	got, _, err := d.tokens.Identify(d.t.Context(), sent(token))
	if err == nil || got != "" {
		d.t.Errorf("%q is taken", got)
		return
	}
	if !strings.Contains(err.Error(), why) {
		d.t.Errorf("%v, want %s", err, why)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 12 && strings.Contains(err.Error()+d.log.String(), part[:12]) {
			d.t.Errorf("a part of the token is in %v", err)
		}
	}
}

func (d *desk) key(kid string) crypto.Signer { return d.issuer.Key(kid) }
