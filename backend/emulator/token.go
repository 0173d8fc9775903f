package emulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenIssuer makes and checks access tokens. They are JWTs with the claims of
// Entra's v1 tokens; unlike Entra's they are signed with ES256, whose key costs
// nothing to make at every start.
type tokenIssuer struct {
	tenant   string
	lifetime time.Duration
	key      *ecdsa.PrivateKey
	keyID    string

	mu      sync.RWMutex
	checked map[string]*accessClaims // tokens whose signature was found good
}

// maxChecked bounds the memory of checked tokens.
const maxChecked = 1024

type accessClaims struct {
	jwt.RegisteredClaims
	AppID    string `json:"appid"`
	ObjectID string `json:"oid"`
	Tenant   string `json:"tid"`
	Version  string `json:"ver"`
}

func newTokenIssuer(tenant string, lifetime time.Duration) (*tokenIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the token key: %w", err)
	}
	return &tokenIssuer{
		tenant: tenant, lifetime: lifetime, key: key, keyID: randomID(),
		checked: map[string]*accessClaims{},
	}, nil
}

func (i *tokenIssuer) issuer() string { return "https://sts.windows.net/" + i.tenant + "/" }

// issue makes a token of the client for resource.
func (i *tokenIssuer) issue(client, resource string) (string, time.Time, error) {
	now := time.Now()
	expires := now.Add(i.lifetime)
	t := jwt.NewWithClaims(jwt.SigningMethodES256, accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    i.issuer(),
			Audience:  jwt.ClaimStrings{resource},
			Subject:   client,
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now.Add(-time.Minute)),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        randomID(),
		},
		AppID: client, ObjectID: client, Tenant: i.tenant, Version: "1.0",
	})
	t.Header["kid"] = i.keyID
	signed, err := t.SignedString(i.key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("signing a token: %w", err)
	}
	return signed, expires, nil
}

// check tells why the vault refuses a token, in the words of the service.
func (i *tokenIssuer) check(token, resource string) error {
	claims, err := i.parse(token)
	if err != nil {
		return err
	}
	now := time.Now()
	switch {
	case claims.ExpiresAt == nil || !now.Before(claims.ExpiresAt.Time):
		return errors.New("[TokenExpired] Error validating token: the token is expired.")
	case claims.Tenant != i.tenant || claims.Issuer != i.issuer():
		return fmt.Errorf("AKV10032: Invalid issuer. Expected one of %s, found %s.", i.issuer(), claims.Issuer)
	case len(claims.Audience) != 1 || claims.Audience[0] != resource:
		return fmt.Errorf("AKV10022: Invalid audience. Expected %s, found: %v.", resource, claims.Audience)
	}
	return nil
}

// parse verifies the signature, once per token: benchmarks of a client must not
// measure the emulator's arithmetic.
func (i *tokenIssuer) parse(token string) (*accessClaims, error) {
	i.mu.RLock()
	claims := i.checked[token]
	i.mu.RUnlock()
	if claims != nil {
		return claims, nil
	}
	claims = &accessClaims{}
	p := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	_, err := p.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != i.keyID {
			return nil, errors.New("unknown signing key")
		}
		return i.key.Public(), nil
	})
	if err != nil {
		return nil, errors.New("AKV10046: Unable to resolve the key used for signature validation.")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.checked) >= maxChecked {
		clear(i.checked)
	}
	i.checked[token] = claims
	return claims, nil
}

// keySet is the JWK set that verifies the tokens.
func (i *tokenIssuer) keySet() (map[string]any, error) {
	point, err := i.key.PublicKey.Bytes() // 0x04‖X‖Y
	if err != nil {
		return nil, fmt.Errorf("encoding the token key: %w", err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"keys": []map[string]any{{
		"kty": "EC", "use": "sig", "alg": "ES256", "kid": i.keyID,
		"crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]),
	}}}, nil
}
