package main

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kvclef/kvclef/extapi/issuertest"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

const consoleClient = "kvclef-console"

// signinPause is how often somebody signs in who tries again and again: the console lets an
// address begin or end a sign-in every 2 seconds.
const signinPause = 4 * time.Second

// TestConsoleSecretReplacedWhileItRuns replaces the secret by which the console of a running
// signer is known to an issuer: one that can be used counts from then on, and one that can't
// leaves the one before in use.
func TestConsoleSecretReplacedWhileItRuns(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	t.Run("by another", func(t *testing.T) {
		t.Parallel()
		c := startSigningIn(t, b)
		c.want(t, http.StatusOK)
		c.issuer.expect("oidc two")
		c.want(t, http.StatusForbidden)
		c.replace(t, "oidc.secret", "oidc two", 0o600)
		c.until(t, "the new secret", func() bool { return c.signIn(t) == http.StatusOK })
		c.issuer.expect("oidc one")
		c.want(t, http.StatusForbidden)
		c.said(t, map[string]int{"Secret read again": 1, "not read again": 0})
	})
	t.Run("by what is none", func(t *testing.T) {
		t.Parallel()
		c := startSigningIn(t, b)
		c.replace(t, "oidc.secret", "oidc two", 0o644)
		c.until(t, "a look at the secret", func() bool {
			c.want(t, http.StatusOK)
			return strings.Contains(c.output.String(), "has mode 0644")
		})
		c.want(t, http.StatusOK)
		c.issuer.expect("oidc two")
		c.want(t, http.StatusForbidden)
		c.said(t, map[string]int{"Secret not read again": 1, "Secret read again": 0})
	})
}

// signingIn is a signer on whose console people sign in by an issuer.
type signingIn struct {
	*reloading
	issuer  *codeIssuer
	origin  string
	browser *http.Transport
}

// startSigningIn starts a signer in a folder of its own, which the issuer knows by the
// secret that it has.
func startSigningIn(t *testing.T, b *blackBox) *signingIn {
	t.Helper()
	own := *b
	own.dir, own.output = t.TempDir(), new(lockedBuffer)
	port := freePort(t)
	c := &signingIn{reloading: &reloading{blackBox: &own, every: signinPause}, issuer: newCodeIssuer(t, "oidc one"), origin: fmt.Sprint("https://localhost:", port)}
	ca, err := tlstest.NewCA("console")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	trusted := ca.Pool()
	trusted.AddCert(c.issuer.Certificate())
	c.browser = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(c.browser.CloseIdleConnections)
	config := c.write(t, "kvclef.yaml", fmt.Sprintf(`
approvals:
  people: {alice: {oidc: alice@example.com}}
  default: {of: [alice], wait: 0s}
  console:
    enabled: true
    port: %d
    tls: {cert_file: %q, key_file: %q}
    oidc: {issuer: %q, client_id: %s, client_secret_file: %q}
`, port, c.write(t, "console.crt", string(pair.Cert)), c.write(t, "console.key", string(pair.Key)), c.issuer.URL, consoleClient, c.write(t, "oidc.secret", "oidc one\n")))
	authority := c.write(t, "issuer.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.issuer.Certificate().Raw})))
	stop := c.start(t, filepath.Join(c.dir, "s.ipc"), []string{"SSL_CERT_FILE=" + authority}, "dev", "--config", config, "--datadir", filepath.Join(c.dir, "data"), "--http=false")
	t.Cleanup(stop)
	return c
}

// signIn is what alice is answered who comes back from the issuer with a browser of her own.
func (c *signingIn) signIn(t *testing.T) int {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: c.browser, Jar: jar, Timeout: patienceInTests}
	get := func(path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.origin+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	status, text := get("/signin/oidc?next=/")
	if _, page := get("/"); strings.Contains(page, "signout") != (status == http.StatusOK) {
		t.Errorf("%d, and then\n%s", status, page)
	}
	if status != http.StatusOK && status != http.StatusForbidden {
		t.Fatalf("%d: %s\n%s", status, text, c.output)
	}
	return status
}

func (c *signingIn) want(t *testing.T, status int) {
	t.Helper()
	if got := c.signIn(t); got != status {
		t.Errorf("signing in ends with %d, want %d\n%s", got, status, c.output)
	}
}

// codeIssuer is an issuer that leads everybody back as alice, and tells that to a console
// with the right secret alone.
type codeIssuer struct {
	*issuertest.Issuer

	mu     sync.Mutex
	secret string            // of the console
	nonces map[string]string // by code
}

func newCodeIssuer(t *testing.T, secret string) *codeIssuer {
	t.Helper()
	made, err := issuertest.New("first")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	i := &codeIssuer{Issuer: made, secret: secret, nonces: make(map[string]string)}
	i.Mux.HandleFunc("GET /authorize", i.authorize)
	i.Mux.HandleFunc("POST /token", i.token)
	return i
}

// expect has the issuer know the console by another secret.
func (i *codeIssuer) expect(secret string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.secret = secret
}

func (i *codeIssuer) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	i.mu.Lock()
	code := fmt.Sprint("code ", len(i.nonces))
	i.nonces[code] = query.Get("nonce")
	i.mu.Unlock()
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {query.Get("state")}}.Encode(), http.StatusSeeOther)
}

func (i *codeIssuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	secret, err := url.QueryUnescape(secret)
	nonce, known := i.nonces[r.PostFormValue("code")]
	if err != nil || id != consoleClient || secret != i.secret || !known {
		w.WriteHeader(http.StatusUnauthorized)
		issuertest.Write(w, map[string]string{"error": "invalid_client"})
		return
	}
	token, err := i.Sign("first", jwt.MapClaims{
		"iss": i.URL, "aud": consoleClient, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"nonce": nonce, "sub": "1", "email": "alice@example.com", "email_verified": true,
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	issuertest.Write(w, map[string]any{"access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": token})
}
