// Package identity tells who sends a bearer token (RFC 6750): a JSON Web Token that
// is signed with a secret which both sides have, as geth's --authrpc.jwtsecret, or by
// an issuer whose keys are public, such as Entra ID.
//
// It follows RFC 8725. The configuration says what a token must be, and the token
// chooses nothing but one of the keys: no address, key or certificate in a token is
// ever followed. The package keeps no token, and puts none into an error.
package identity

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxToken bounds a token, in bytes. One of Entra ID that names 200 groups has 10,000.
const maxToken = 16 << 10

// leeway is how far the clocks of two machines may differ.
const leeway = 60 * time.Second

// ErrNoToken is that a request has no bearer token at all.
var ErrNoToken = errors.New("no bearer token")

// Config says which tokens count. At least one of the two must be set.
type Config struct {
	// Secret returns what verifies tokens of HS256. It is called for each of them, and may
	// return another one each time. Default: nil, and no such token counts.
	Secret func() *Secret

	// Issuer signs tokens of RS256 and ES256. Default: none, and no such token counts.
	Issuer *Issuer

	// Clock is for tests. Default: time.Now.
	Clock func() time.Time
}

// Tokens tells who sends a token. It can be used by several goroutines.
type Tokens struct {
	secret func() *Secret // nil: none
	issuer *issuer        // nil: none
	clock  func() time.Time
}

// New returns what tells who sends a token. It asks nobody yet. Close it.
func New(cfg Config) (*Tokens, error) {
	t := &Tokens{secret: cfg.Secret, clock: cfg.Clock}
	if t.clock == nil {
		t.clock = time.Now
	}
	if cfg.Issuer != nil {
		made, err := newIssuer(*cfg.Issuer, t.clock)
		if err != nil {
			return nil, err
		}
		t.issuer = made
	}
	if t.secret == nil && t.issuer == nil {
		return nil, errors.New("tokens need a secret or an issuer: give one of them")
	}
	return t, nil
}

// Close stops asking the issuer.
func (t *Tokens) Close() {
	if t.issuer != nil {
		t.issuer.keys.close()
	}
}

// Identify returns who sends the headers of a request, and when that ends to be so;
// the zero time is never. The error says for the log what is wrong, without any part
// of the token, and is [ErrNoToken] if there is none.
func (t *Tokens) Identify(ctx context.Context, header http.Header) (name string, ends time.Time, err error) {
	token, err := bearer(header)
	if err != nil {
		return "", time.Time{}, err
	}
	signed, err := t.parse(token)
	if err != nil {
		return "", time.Time{}, err
	}
	if signed.Signatures[0].Protected.Algorithm == string(jose.HS256) {
		return t.secret().identify(signed, t.clock())
	}
	return t.issuer.identify(ctx, signed, t.clock())
}

// parse reads a token of one of the algorithms that count here, and believes none of
// it. The form is compact: an algorithm stands in the part that is signed, and there
// is one signature.
func (t *Tokens) parse(token string) (*jose.JSONWebSignature, error) {
	var algorithms []jose.SignatureAlgorithm
	if t.secret != nil {
		algorithms = append(algorithms, jose.HS256)
	}
	if t.issuer != nil {
		algorithms = append(algorithms, t.issuer.algorithms...)
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, errors.New("the token is no signed token, or its algorithm is not one that counts here") // the library's error has parts of it
	}
	header := signed.Signatures[0].Protected
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, there := header.ExtraHeaders[name]; there {
			return nil, errors.New("the header of the token demands an extension, and there are none")
		}
	}
	if kind, there := header.ExtraHeaders[jose.HeaderType]; there && !ordinary(kind) {
		return nil, errors.New("the header of the token says that it is of another type than JWT and at+jwt")
	}
	return signed, nil
}
