package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is who signs tokens with a key of which everybody may know the public part.
type Issuer struct {
	// URL is the claim iss of its tokens, exactly. Required.
	URL string

	// Audience is what the claim aud of a token must be or have: the name of this
	// signer at the issuer, and of nothing else there. Required.
	Audience string

	// KeysURL is where the keys are. Default: what the issuer says of itself at
	// URL/.well-known/openid-configuration (OpenID Connect Discovery).
	KeysURL string

	// PrincipalClaim is the claim that names the caller. Default: sub.
	PrincipalClaim string

	// Algorithms are those that count, of RS256 and ES256. Default: both.
	Algorithms []string

	// Client asks the issuer. Default: one with the system's authorities.
	Client *http.Client

	// Logger is told when keys are read and when they can't be. Default: discard.
	Logger *slog.Logger
}

// issuer verifies the tokens of an issuer.
type issuer struct {
	cfg        Issuer
	algorithms []jose.SignatureAlgorithm
	keys       *keySet
}

func newIssuer(cfg Issuer, clock func() time.Time) (*issuer, error) {
	if cfg.PrincipalClaim == "" {
		cfg.PrincipalClaim = "sub"
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{string(jose.RS256), string(jose.ES256)}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	made := &issuer{cfg: cfg}
	for _, name := range cfg.Algorithms {
		made.algorithms = append(made.algorithms, jose.SignatureAlgorithm(name))
	}
	made.keys = newKeySet(source{client: boundedClient(cfg.Client), issuer: cfg.URL, keys: cfg.KeysURL}, clock, cfg.Logger)
	return made, nil
}

// Check refuses an issuer that can't be meant, or whose tokens would not be safe, and
// tells all that is wrong. It asks nobody.
func (c Issuer) Check() error {
	problems := []error{checkURL("issuer", c.URL)}
	if c.KeysURL != "" {
		problems = append(problems, checkURL("address of its keys", c.KeysURL))
	}
	if c.Audience == "" {
		problems = append(problems, fmt.Errorf("the issuer %s has no audience: give the name of this signer there, or tokens for others would count", shown(c.URL)))
	}
	for i, name := range c.Algorithms {
		if name != string(jose.RS256) && name != string(jose.ES256) || slices.Contains(c.Algorithms[:i], name) {
			problems = append(problems, fmt.Errorf("the algorithm %q is neither RS256 nor ES256, or is there twice", name))
		}
	}
	return errors.Join(problems...)
}

func checkURL(name, text string) error {
	at, err := url.Parse(text)
	switch {
	case err != nil || at.Scheme != "https" || at.Host == "" || at.Fragment != "":
		return fmt.Errorf("the %s %q is not an https URL", name, shown(text))
	case at.User != nil:
		return fmt.Errorf("the %s %q has a user's name or a password before its host, and may have none", name, shown(text))
	}
	return nil
}

// shown is a URL as errors may show it: without what stands before an @, which may be a
// password.
func shown(text string) string {
	if at := strings.LastIndex(text, "@"); at >= 0 {
		return "…" + text[at:]
	}
	return text
}

// identify returns whom a token of the issuer names.
func (i *issuer) identify(ctx context.Context, signed *jose.JSONWebSignature, now time.Time) (string, time.Time, error) {
	payload, err := i.verify(ctx, signed)
	if err != nil {
		return "", time.Time{}, err
	}
	all, err := readClaims(payload)
	if err != nil {
		return "", time.Time{}, err
	}
	bounds, err := all.times()
	if err == nil {
		err = bounds.check(now, leeway)
	}
	name := all.text(i.cfg.PrincipalClaim)
	switch {
	case err != nil:
		return "", time.Time{}, err
	case all.text("iss") != i.cfg.URL:
		return "", time.Time{}, errors.New("the token is of another issuer: compare the claim iss with the configuration")
	case !all.lists("aud", i.cfg.Audience):
		return "", time.Time{}, errors.New("the token is for another audience: compare the claim aud with the configuration")
	case bounds.ends.IsZero():
		return "", time.Time{}, errors.New("the token has no end")
	case name == "":
		return "", time.Time{}, fmt.Errorf("the token has no text in the claim %s, which names the caller", i.cfg.PrincipalClaim)
	}
	return name, bounds.ends.Add(leeway), nil
}

// verify returns what a key of the issuer has signed.
func (i *issuer) verify(ctx context.Context, signed *jose.JSONWebSignature) ([]byte, error) {
	header := signed.Signatures[0].Protected
	candidates, err := i.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return nil, err
	}
	for _, key := range candidates {
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("the token is not signed by the issuer")
}
