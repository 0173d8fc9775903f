package console

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

const (
	clientID     = "kvclef-console"
	clientSecret = "s3cret/with+signs"
)

// idp is an issuer of OpenID Connect: that of the tests of tokens, and the code flow
// with PKCE.
type idp struct {
	*issuertest.Issuer
	clock func() time.Time

	mu     sync.Mutex
	key    *rsa.PrivateKey
	kid    string
	grants map[string]grant // by their codes
	claims jwt.MapClaims    // of whoever signs in
	forge  func(token *jwt.Token) (key any)
	answer func(w http.ResponseWriter) bool // instead of a token; false: it did not
	secret string                           // of the console
	nonce  string                           // of the sign-in that was led elsewhere
	asked  url.Values                       // at the address at which people sign in
}

type grant struct {
	challenge, nonce, back string
}

func newIDP(t *testing.T, clock func() time.Time) *idp {
	t.Helper()
	made, err := issuertest.New("none")
	if err != nil {
		t.Fatal(err)
	}
	i := &idp{Issuer: made, clock: clock, secret: clientSecret, grants: make(map[string]grant), claims: jwt.MapClaims{"sub": "1", "email": "Bob@example.com", "email_verified": true}}
	i.rotate(t, "first")
	mux := i.Mux
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /elsewhere", i.elsewhere)
	t.Cleanup(i.Close)
	return i
}

// rotate replaces the key that tokens are signed by.
func (i *idp) rotate(t *testing.T, kid string) {
	t.Helper()
	made, err := i.Rotate(kid)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := made.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", made)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key, i.kid = key, kid
}

// authorize signs everybody in, and leads back with a code.
func (i *idp) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") != clientID || query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" || len(query.Get("code_challenge")) != 43 {
		http.Error(w, "no such client, or no challenge", http.StatusBadRequest)
		return
	}
	code := secret()
	i.mu.Lock()
	i.asked = query
	i.grants[code] = grant{query.Get("code_challenge"), query.Get("nonce"), query.Get("redirect_uri")}
	i.mu.Unlock()
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {query.Get("state")}}.Encode(), http.StatusSeeOther)
}

func (i *idp) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	given := r.PostFormValue("code")
	of, there := i.grants[given]
	delete(i.grants, given)
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	id, password, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	password, _ = url.QueryUnescape(password)
	switch {
	case id != clientID || password != i.secret:
		w.WriteHeader(http.StatusUnauthorized)
		issuertest.Write(w, map[string]string{"error": "invalid_client"})
		return
	case !there || of.back != r.PostFormValue("redirect_uri") || of.challenge != base64.RawURLEncoding.EncodeToString(challenge[:]):
		w.WriteHeader(http.StatusBadRequest)
		issuertest.Write(w, map[string]string{"error": "invalid_grant"})
		return
	case i.answer != nil && i.answer(w):
		i.nonce = of.nonce
		return
	}
	i.issue(w, of.nonce)
}

// elsewhere gives a good token to whoever was led here.
func (i *idp) elsewhere(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issue(w, i.nonce)
}

// issue sends a token. The lock is the caller's.
func (i *idp) issue(w http.ResponseWriter, nonce string) {
	now := i.clock()
	claims := jwt.MapClaims{"iss": i.URL, "aud": clientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": nonce}
	for name, value := range i.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = i.kid
	var key any = i.key
	if i.forge != nil {
		key = i.forge(token)
	}
	signed, err := token.SignedString(key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	issuertest.Write(w, map[string]any{"access_token": "unused", "token_type": "Bearer", "expires_in": 300, "id_token": signed})
}

// with changes what the issuer does.
func (i *idp) with(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}
