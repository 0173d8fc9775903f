package console

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
)

// organisation is a console whose people sign in at an issuer.
func organisation(t *testing.T, change func(*Config)) (*house, *idp) {
	t.Helper()
	var i *idp
	h := newHouse(t, func(c *Config) {
		i = newIDP(t, c.Clock)
		c.OIDC = &OIDC{Issuer: i.URL, ClientID: clientID, ClientSecret: func() string { return clientSecret }, Client: i.Client()}
		c.People["dave"] = Person{OIDC: "preferred_username:Dave@corp"}
		c.People["kate"] = Person{OIDC: "preferred_username:kate@corp"}
		c.People["kay"] = Person{OIDC: "Kate@corp"}
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(i.Client().CloseIdleConnections)
	return h, i
}

// atIssuer goes from the console to the issuer, and returns the address that it is
// led back to.
func (b *browser) atIssuer(i *idp, next string) *url.URL {
	b.h.t.Helper()
	got := b.get("/signin/oidc?next=" + url.QueryEscape(next))
	if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), i.URL+"/authorize?") {
		b.h.t.Fatalf("%d %s", got.status, got.text)
	}
	client := *i.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodGet, got.header.Get("Location"), http.NoBody)
	if err != nil {
		b.h.t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	_ = response.Body.Close()
	back, err := response.Location()
	if err != nil {
		b.h.t.Fatalf("%s, %v", response.Status, err)
	}
	return back
}

// back comes from the issuer, as browsers say.
func (b *browser) back(at *url.URL) answer {
	b.h.t.Helper()
	return b.do(http.MethodGet, at.RequestURI(), nil, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	})
}

func TestOIDC(t *testing.T) {
	h, i := organisation(t, nil)
	b := h.newBrowser()
	ticket := h.ask(payment(1, "payments.example"))
	at := b.atIssuer(i, "/tickets/"+ticket.Content.ID)
	if at.Host != "approvals.example" || at.Path != callbackPath || i.asked.Get("scope") != "openid profile email" || len(i.asked.Get("nonce")) != 43 {
		t.Errorf("%s, %v", at, i.asked)
	}
	got := b.back(at)
	// No redirect: a strict cookie does not go with what another site began.
	if got.status != http.StatusOK || !strings.Contains(got.text, `content="0; url=/tickets/`+ticket.Content.ID+`"`) {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for _, text := range got.header.Values("Set-Cookie") {
		if cookie, err := http.ParseSetCookie(text); err != nil || !cookie.Secure || !cookie.HttpOnly || cookie.Name == h.cookies.session && cookie.SameSite != http.SameSiteStrictMode {
			t.Errorf("%s, %v", text, err)
		}
	}
	page := b.get("/tickets/" + ticket.Content.ID)
	if textOf(t, page.text, "person") != "bob" || strings.Contains(page.text, "data-passkey") {
		t.Error("not bob, or votes by passkey")
	}
	if got := b.post("/tickets/"+ticket.Content.ID+"/vote", b.ballot(ticket, "approve", "")); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.text)
	}
	if vote := h.find(ticket.Content.ID).Votes[0]; vote.Person != "bob" || vote.Way != wayOIDC {
		t.Errorf("%+v", vote)
	}
	// The address that led in leads nobody in again.
	for name, other := range map[string]*browser{"the same": b, "another": h.newBrowser()} {
		if got := other.back(at); got.status != http.StatusBadRequest {
			t.Errorf("%s browser: %d", name, got.status)
		}
	}
	// The issuer's keys change.
	i.rotate(t, "second")
	if got := h.newBrowser().comeIn(i); got.status != http.StatusOK {
		t.Errorf("with another key: %d %s", got.status, h.logged)
	}
}

// TestClientSecretOfItsTime: the console shows the issuer the secret that it has when
// somebody signs in.
func TestClientSecretOfItsTime(t *testing.T) {
	var known atomic.Value
	known.Store(clientSecret)
	h, i := organisation(t, func(c *Config) {
		c.OIDC.ClientSecret = func() string { return known.Load().(string) }
	})
	for _, step := range []struct {
		issuer, console string
		status          int
	}{
		{clientSecret, clientSecret, http.StatusOK},
		{"n3xt", clientSecret, http.StatusForbidden},
		{"n3xt", "n3xt", http.StatusOK},
	} {
		i.mu.Lock()
		i.secret = step.issuer
		i.mu.Unlock()
		known.Store(step.console)
		if got := h.newBrowser().comeIn(i); got.status != step.status {
			t.Errorf("%q for %q: %d, want %d", step.console, step.issuer, got.status, step.status)
		}
	}
}

// comeIn signs in at the issuer.
func (b *browser) comeIn(i *idp) answer {
	b.h.t.Helper()
	return b.back(b.atIssuer(i, "/"))
}

func TestWhoSomebodyIsForTheIssuer(t *testing.T) {
	for name, tt := range map[string]struct {
		claims jwt.MapClaims
		want   string // "": nobody
	}{
		"e-mail":                     {jwt.MapClaims{"sub": "9", "email": "BOB@example.com", "email_verified": true}, "bob"},
		"e-mail verified by a text":  {jwt.MapClaims{"sub": "9", "email": "bob@example.com", "email_verified": "true"}, "bob"},
		"e-mail not verified":        {jwt.MapClaims{"sub": "9", "email": "bob@example.com", "email_verified": false}, ""},
		"e-mail perhaps verified":    {jwt.MapClaims{"sub": "9", "email": "bob@example.com", "email_verified": nil}, ""},
		"e-mail verified by a 1":     {jwt.MapClaims{"sub": "9", "email": "bob@example.com", "email_verified": 1}, ""},
		"e-mail of another kind":     {jwt.MapClaims{"sub": "9", "email": []string{"bob@example.com"}, "email_verified": true}, ""},
		"e-mail as the subject":      {jwt.MapClaims{"sub": "bob@example.com", "email": nil}, ""},
		"e-mail as a name":           {jwt.MapClaims{"sub": "9", "email": nil, "preferred_username": "bob@example.com"}, ""},
		"subject":                    {jwt.MapClaims{"sub": "carol-1", "email": nil}, "carol"},
		"subject in other letters":   {jwt.MapClaims{"sub": "CAROL-1", "email": nil}, ""},
		"subject as an oid":          {jwt.MapClaims{"sub": "9", "oid": "carol-1", "email": nil}, ""},
		"name with a Kelvin sign":    {jwt.MapClaims{"sub": "9", "preferred_username": "\u212Aate@corp", "email": nil}, ""},
		"e-mail with a Kelvin sign":  {jwt.MapClaims{"sub": "9", "email": "\u212Aate@corp", "email_verified": true}, ""},
		"another name":               {jwt.MapClaims{"sub": "9", "preferred_username": "KATE@corp", "email": nil}, "kate"},
		"name":                       {jwt.MapClaims{"sub": "9", "preferred_username": "dave@Corp", "email": nil}, "dave"},
		"two people":                 {jwt.MapClaims{"sub": "carol-1", "email": "bob@example.com", "email_verified": true}, ""},
		"nobody":                     {jwt.MapClaims{"sub": "9", "email": "mallory@example.com", "email_verified": true}, ""},
		"somebody without an issuer": {jwt.MapClaims{"sub": "alice", "email": "alice", "email_verified": true}, ""},
		"claim as its value":         {jwt.MapClaims{"sub": "sub:carol-1", "email": "sub:carol-1", "email_verified": true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, i := organisation(t, nil)
			i.with(func() { i.claims = tt.claims })
			b := h.newBrowser()
			got := b.comeIn(i)
			if (got.status == http.StatusOK) != (tt.want != "") {
				t.Fatalf("%d, %s", got.status, h.logged)
			}
			if tt.want != "" && textOf(t, b.get("/").text, "person") != tt.want {
				t.Error("it is another")
			}
		})
	}
}

func TestGroupsOfTheIssuer(t *testing.T) {
	for name, tt := range map[string]struct {
		groups any
		in     bool
	}{
		"in it": {[]string{"staff", "approvers"}, true}, "alone": {"approvers", true}, "not in it": {[]string{"staff"}, false}, "none": {nil, false},
		"in part": {[]string{"approvers-emea"}, false}, "too many to send": {map[string]string{"src1": "approvers"}, false}, "numbers": {[]int{1}, false},
	} {
		h, i := organisation(t, func(c *Config) { c.OIDC.Group, c.OIDC.GroupsClaim = "approvers", "roles" })
		i.with(func() { i.claims["roles"] = tt.groups })
		if got := h.newBrowser().comeIn(i); (got.status == http.StatusOK) != tt.in {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

// TestForgedTokens lead nobody in.
func TestForgedTokens(t *testing.T) {
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*idp) {
		return func(i *idp) { i.claims[name] = value }
	}
	forge := func(method jwt.SigningMethod, key func(i *idp) any) func(*idp) {
		return func(i *idp) {
			i.forge = func(token *jwt.Token) any {
				token.Method, token.Header["alg"] = method, method.Alg()
				return key(i)
			}
		}
	}
	answers := func(status int, text string) func(*idp) {
		return func(i *idp) {
			i.answer = func(w http.ResponseWriter) bool {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(text))
				return true
			}
		}
	}
	for name, change := range map[string]func(*idp){
		"other issuer":     claim("iss", "https://evil.example"),
		"other audience":   claim("aud", "another-client"),
		"no audience":      claim("aud", nil),
		"other nonce":      claim("nonce", "x"),
		"no nonce":         claim("nonce", nil),
		"expired":          claim("exp", 1),
		"not yet valid":    claim("nbf", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()),
		"stranger's key":   forge(jwt.SigningMethodRS256, func(*idp) any { return stranger }),
		"no signature":     forge(jwt.SigningMethodNone, func(*idp) any { return jwt.UnsafeAllowNoneSignatureType }),
		"public as secret": forge(jwt.SigningMethodHS256, func(i *idp) any { return i.key.N.Bytes() }),
		"other algorithm":  forge(jwt.SigningMethodPS256, func(i *idp) any { return i.key }),
		"no id_token":      answers(200, `{"access_token":"a","token_type":"Bearer"}`),
		"no token":         answers(200, `{"access_token":"a","token_type":"Bearer","id_token":"abc"}`),
		"number":           answers(200, `{"access_token":"a","token_type":"Bearer","id_token":7}`),
		"garbage":          answers(200, `<html>`),
		"endless":          answers(200, strings.Repeat(" ", maxIssuer+1)+`{}`),
		"refused":          answers(400, `{"error":"invalid_grant"}`),
		"led elsewhere": func(i *idp) {
			i.answer = func(w http.ResponseWriter) bool {
				w.Header().Set("Location", i.URL+"/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, i := organisation(t, nil)
			i.with(func() { change(i) })
			b := h.newBrowser()
			if got := b.comeIn(i); got.status != http.StatusForbidden || strings.Contains(got.text, i.URL) {
				t.Errorf("%d %s", got.status, got.text)
			}
			if got := b.get("/"); got.status != http.StatusSeeOther || !strings.Contains(h.logged.String(), "Sign-in refused") {
				t.Error("is in, or the log has no word of it")
			}
			if strings.Contains(h.logged.String(), clientSecret) {
				t.Error("the log has the secret")
			}
		})
	}
}

// TestAnswersToAnotherSignIn lead nobody in: what comes back must have been begun in
// the same browser.
func TestAnswersToAnotherSignIn(t *testing.T) {
	h, i := organisation(t, nil)
	victim, attacker := h.newBrowser(), h.newBrowser()
	at := attacker.atIssuer(i, "/")
	victim.atIssuer(i, "/")
	if got := victim.back(at); got.status != http.StatusForbidden {
		t.Errorf("another's: %d", got.status)
	}
	if got := attacker.back(at); got.status != http.StatusOK {
		t.Errorf("the code was used up by somebody else's browser: %d", got.status)
	}
	for name, query := range map[string]url.Values{
		"no state": {"code": {"x"}}, "error": {"error": {"access_denied"}, "error_description": {"<b>no\n"}}, "nothing": {},
	} {
		back := victim.atIssuer(i, "/")
		state := back.Query().Get("state")
		if name == "error" {
			query.Set("state", state)
		}
		back.RawQuery = query.Encode()
		if got := victim.back(back); got.status != http.StatusForbidden || strings.Contains(got.text, "<b>no") {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	// The code is of the attacker's challenge: with the victim's verifier it is worth nothing.
	mine := victim.atIssuer(i, "/")
	query := mine.Query()
	query.Set("code", attacker.atIssuer(i, "/").Query().Get("code"))
	mine.RawQuery = query.Encode()
	if got := victim.back(mine); got.status != http.StatusForbidden {
		t.Errorf("another's code: %d", got.status)
	}
	// Another site begins nothing.
	got := victim.do(http.MethodGet, "/signin/oidc", nil, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/signin" {
		t.Errorf("begun by another site: %d %v", got.status, got.header)
	}
}

// TestAnIssuerThatDoesNotAnswer stops nobody from signing in otherwise, and nobody
// once it answers.
func TestAnIssuerThatDoesNotAnswer(t *testing.T) {
	h, i := organisation(t, nil)
	issuer := h.issuer.cfg.Issuer
	h.issuer.cfg.Issuer = issuer + "/nowhere"
	if got := h.newBrowser().get("/signin/oidc"); got.status != http.StatusServiceUnavailable {
		t.Errorf("%d", got.status)
	}
	h.issuer.cfg.Issuer = issuer
	i.Pad(maxIssuer)
	if got := h.newBrowser().get("/signin/oidc"); got.status != http.StatusServiceUnavailable {
		t.Errorf("an endless answer: %d", got.status)
	}
	i.Pad(0)
	h.signedInBrowser("alice")
	if got := h.newBrowser().comeIn(i); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
}

// TestNoToken: what an issuer answers in the place of a token is not told.
func TestNoToken(t *testing.T) {
	const secret = "hunter2"
	long := strings.Repeat("x", maxIssuer)
	for name, err := range map[string]error{
		"refused":   &oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusBadRequest}, ErrorCode: "invalid_client", Body: []byte("client_secret=" + secret)},
		"long code": &oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusBadRequest}, ErrorCode: long, ErrorDescription: secret},
		"long":      errors.New(long),
		"wrapped":   fmt.Errorf("it: %w", &oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusInternalServerError}, Body: []byte(secret)}),
	} {
		if said := noToken(err).Error(); strings.Contains(said, secret) || len(said) > 300 {
			t.Errorf("%s: %.400s", name, said)
		}
	}
}

func TestIdentities(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Bob@Example.com": "email:bob@example.com", "sub:aB": "sub:aB", "oid:x": "oid:x", "preferred_username:A@b": "preferred_username:a@b",
	} {
		if got, err := identityOf(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"bob", "sub:", "email:bob@example.com", "upn:bob@example.com", "https://x", ":"} {
		if got, err := identityOf(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
	people := map[string]Person{"a": {OIDC: "x@y"}, "b": {OIDC: "X@Y"}}
	if _, err := newIssuer(OIDC{Issuer: "https://i.example", ClientID: "c"}, people, testOrigin, time.Now); err == nil {
		t.Error("one is two people")
	}
	for name, cfg := range map[string]OIDC{"in clear": {Issuer: "http://i.example", ClientID: "c"}, "no client": {Issuer: "https://i.example"}, "no URL": {Issuer: "i", ClientID: "c"}} {
		if _, err := newIssuer(cfg, maps.Clone(people), testOrigin, time.Now); err == nil {
			t.Errorf("%s", name)
		}
	}
}
