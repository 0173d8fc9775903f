// Package issuertest is an issuer of tokens for tests, over real TLS: what it says of
// itself (OpenID Connect Discovery), its keys, and tokens of any content.
//
// The keys are made anew each time and belong to nobody. Nothing but tests imports the
// package.
package issuertest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// The paths of an issuer.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
)

// Issuer is a server. Other paths than its own can be added to Mux.
type Issuer struct {
	*httptest.Server
	Mux *http.ServeMux

	mu      sync.Mutex
	keys    map[string]crypto.Signer // that are published, by their ids
	told    map[string]any           // what it says of itself, above what it is
	padding int                      // bytes before that
	down    bool
	asked   map[string]int // by path
}

// New starts an issuer with a key of RSA whose id is given.
func New(kid string) (*Issuer, error) {
	i := &Issuer{Mux: http.NewServeMux(), keys: make(map[string]crypto.Signer), told: make(map[string]any), asked: make(map[string]int)}
	if _, err := i.Rotate(kid); err != nil {
		return nil, err
	}
	i.Mux.HandleFunc("GET "+DiscoveryPath, i.discovery)
	i.Mux.HandleFunc("GET "+KeysPath, i.published)
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(i.serve))
	i.StartTLS()
	return i, nil
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	down := i.down
	i.asked[r.URL.Path]++
	i.mu.Unlock()
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	i.Mux.ServeHTTP(w, r)
}

// Rotate replaces all keys by a new one of RSA.
func (i *Issuer) Rotate(kid string) (crypto.Signer, error) {
	made, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.keys)
	i.keys[kid] = made
	return made, nil
}

// AddEC publishes one more key, of P-256.
func (i *Issuer) AddEC(kid string) (crypto.Signer, error) {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[kid] = made
	return made, nil
}

// Key returns a key that is published, nil if there is none of that id.
func (i *Issuer) Key(kid string) crypto.Signer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[kid]
}

// Tell makes the issuer say something else of itself.
func (i *Issuer) Tell(name string, value any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.told[name] = value
}

// Pad puts white space before what the issuer says of itself.
func (i *Issuer) Pad(count int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.padding = count
}

// Down makes the issuer answer with errors, or no longer.
func (i *Issuer) Down(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Asked returns how often a path was asked for.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// Sign returns a token with a key that is published.
func (i *Issuer) Sign(kid string, claims jwt.MapClaims) (string, error) {
	held := i.Key(kid)
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	if _, elliptic := held.(*ecdsa.PrivateKey); elliptic {
		method = jwt.SigningMethodES256
	}
	return Sign(method, map[string]any{"kid": kid}, claims, held)
}

// Sign returns a token with a header and claims of one's choice.
func Sign(method jwt.SigningMethod, header map[string]any, claims jwt.Claims, key any) (string, error) {
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	for name, value := range header {
		if value == nil {
			delete(token.Header, name)
		}
	}
	return token.SignedString(key)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	told := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + KeysPath,
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	}
	maps.Copy(told, i.told)
	_, _ = w.Write(bytes.Repeat([]byte(" "), i.padding))
	Write(w, told)
}

func (i *Issuer) published(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var keys []any
	for kid, held := range i.keys {
		keys = append(keys, JWK(kid, held.Public()))
	}
	Write(w, map[string]any{"keys": keys})
}

// JWK describes a public key (RFC 7517).
func JWK(kid string, public crypto.PublicKey) map[string]string {
	number := func(n *big.Int, size int) string {
		return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, size)))
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(public.E))
		return map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": number(public.N, public.Size()), "e": number(e, len(e.Bytes()))}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			return nil
		}
		size := (len(point) - 1) / 2
		x, y := new(big.Int).SetBytes(point[1:1+size]), new(big.Int).SetBytes(point[1+size:])
		return map[string]string{"kty": "EC", "use": "sig", "crv": public.Curve.Params().Name, "kid": kid, "x": number(x, size), "y": number(y, size)}
	default:
		return nil
	}
}

// Write answers with JSON.
func Write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
