package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxAnswer = 1 << 20 // bytes of an issuer's answer
	maxKeys   = 256     // of an issuer
	maxSameID = 4       // keys that are tried for one token
	minRSA    = 2048    // bits
	maxRSA    = 8192
)

// key is a public key of an issuer.
type key struct {
	id        string
	algorithm jose.SignatureAlgorithm // the only one that it verifies
	public    any                     // *rsa.PublicKey or *ecdsa.PublicKey
}

// source is where the keys of an issuer are.
type source struct {
	client *http.Client
	issuer string
	keys   string // "": the issuer says it
}

// boundedClient returns a client that is led nowhere else and waits for nobody.
func boundedClient(given *http.Client) *http.Client {
	client := &http.Client{Timeout: askTimeout}
	if given != nil {
		*client = *given
	} else {
		client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: askTimeout, ResponseHeaderTimeout: askTimeout, MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 2, IdleConnTimeout: time.Minute,
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("the issuer redirects, which is not followed")
	}
	return client
}

// fetch returns the keys that can verify tokens.
func (s source) fetch(ctx context.Context) ([]key, error) {
	at := s.keys
	if at == "" {
		var err error
		if at, err = s.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.get(ctx, at, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%s has %d keys, which is more than %d", at, len(set.Keys), maxKeys)
	}
	var keys []key
	for _, text := range set.Keys {
		if k, ok := readKey(text); ok {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0, 4).
func (s source) discover(ctx context.Context) (string, error) {
	var told struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &told); err != nil {
		return "", err
	}
	if told.Issuer != s.issuer {
		return "", fmt.Errorf("the issuer calls itself %.200q: give that as issuer if it is right, or jwks_url", told.Issuer)
	}
	if at, err := url.Parse(told.Keys); err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return "", errors.New("the issuer gives no https URL of its keys")
	}
	return told.Keys, nil
}

// get reads an answer, whole and bounded.
func (s source) get(ctx context.Context, at string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the issuer: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the issuer: %s answers %d", at, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("asking the issuer: reading %s: %w", at, err)
	case len(body) > maxAnswer:
		return fmt.Errorf("asking the issuer: %s has more than %d bytes", at, maxAnswer)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("asking the issuer: %s is not the JSON that was expected", at)
	}
	return nil
}

// readKey reads a key, if it is one that verifies tokens: issuers have others too. It
// is for one algorithm, whatever a token says.
func readKey(text []byte) (key, bool) {
	var read jose.JSONWebKey
	if err := json.Unmarshal(text, &read); err != nil || read.Use != "" && read.Use != "sig" || !read.IsPublic() {
		return key{}, false
	}
	made := key{id: read.KeyID, public: read.Key}
	switch public := read.Key.(type) {
	case *rsa.PublicKey:
		made.algorithm = jose.RS256
		if bits := public.N.BitLen(); bits < minRSA || bits > maxRSA || public.E < 3 || public.E%2 == 0 {
			return key{}, false
		}
	case *ecdsa.PublicKey:
		made.algorithm = jose.ES256
		if public.Curve != elliptic.P256() {
			return key{}, false
		}
	default:
		return key{}, false
	}
	return made, read.Algorithm == "" || read.Algorithm == string(made.algorithm)
}
