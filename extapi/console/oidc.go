package console

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	callbackPath  = "/signin/oidc/callback"
	issuerTimeout = 10 * time.Second
	maxIssuer     = 1 << 20 // bytes of an answer
	flowAge       = 10 * time.Minute
)

// issuer signs people in by OpenID Connect: the code flow, with PKCE.
type issuer struct {
	cfg    OIDC
	people map[string]string // who somebody is for the issuer, in lower case, to a name
	back   string            // URL that the issuer leads back to
	clock  func() time.Time

	discovery discovery
}

func newIssuer(cfg OIDC, people map[string]Person, origin string, clock func() time.Time) (*issuer, error) {
	if at, err := url.Parse(cfg.Issuer); err != nil || at.Scheme != "https" || at.Host == "" {
		return nil, fmt.Errorf("OpenID Connect: the issuer %q is not an https URL", cfg.Issuer)
	}
	if cfg.ClientID == "" {
		return nil, errors.New("OpenID Connect: the client id is missing")
	}
	if cfg.GroupsClaim == "" {
		cfg.GroupsClaim = "groups"
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: issuerTimeout}
	}
	client := *cfg.Client
	client.Transport = bounded{cfg.Client.Transport}
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("the issuer redirects, which is not followed")
	}
	cfg.Client = &client
	i := &issuer{cfg: cfg, back: origin + callbackPath, clock: clock, people: make(map[string]string)}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(people)) {
		person := people[name]
		identity, err := identityOf(person.OIDC)
		other, twice := i.people[identity]
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("OpenID Connect: %s: %w", name, err))
		case identity == "":
		case twice:
			problems = append(problems, fmt.Errorf("OpenID Connect: %s and %s are both %q: one can't be two people", name, other, person.OIDC))
		default:
			i.people[identity] = name
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return i, nil
}

// identityOf returns who somebody is for the issuer, as a claim and its value.
func identityOf(text string) (string, error) {
	claim, value, named := strings.Cut(text, ":")
	switch {
	case text == "":
		return "", nil
	case named && value != "" && (claim == "sub" || claim == "oid"):
		return text, nil // their values are exact
	case named && value != "" && claim == "preferred_username":
		return inLower(text), nil
	case !named && strings.Contains(text, "@"):
		return "email:" + inLower(text), nil
	default:
		return "", fmt.Errorf("%q is neither an address of e-mail nor sub:, oid: or preferred_username: with a value", text)
	}
}

// bounded refuses answers of an issuer that are too long.
type bounded struct{ next http.RoundTripper }

// RoundTrip asks the issuer.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxIssuer), response.Body}
	return response, nil
}

func (i *issuer) oauth(provider *oidc.Provider) *oauth2.Config {
	cfg := &oauth2.Config{
		ClientID: i.cfg.ClientID, Endpoint: provider.Endpoint(), RedirectURL: i.back,
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	if i.cfg.ClientSecret != nil {
		cfg.ClientSecret = i.cfg.ClientSecret()
	}
	return cfg
}

// flow is a sign-in that was begun, as its cookie has it. The issuer is told hashes
// or nothing of it but the state and the nonce.
type flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
	Next     string `json:"p"`
}

func (f flow) String() string {
	return strings.Join([]string{f.State, f.Nonce, f.Verifier, f.Next}, "|")
}

func flowOf(cookie string) (flow, bool) {
	parts := strings.Split(cookie, "|")
	if len(parts) != 4 || len(parts[0]) != len(secret()) || len(parts[1]) != len(secret()) || len(parts[2]) < 43 {
		return flow{}, false
	}
	return flow{State: parts[0], Nonce: parts[1], Verifier: parts[2], Next: nextOf(parts[3])}, true
}

// begin returns the address at the issuer at which somebody signs in.
func (i *issuer) begin(ctx context.Context, f flow) (string, error) {
	provider, err := i.discovery.find(ctx, i.ask)
	if err != nil {
		return "", err
	}
	return i.oauth(provider).AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// finish returns who has signed in.
func (i *issuer) finish(ctx context.Context, f flow, query url.Values) (person string, err error) {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(f.State)) != 1 {
		return "", errors.New("the answer of the issuer is not to this sign-in: try it again")
	}
	if code := query.Get("error"); code != "" {
		return "", fmt.Errorf("the issuer refused it: %s %s", clip(code), clip(query.Get("error_description")))
	}
	provider, err := i.discovery.find(ctx, i.ask)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, i.cfg.Client), issuerTimeout)
	defer cancel()
	token, err := i.oauth(provider).Exchange(ctx, query.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return "", noToken(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the issuer sent no id_token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: i.cfg.ClientID, Now: i.clock}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("the token of the issuer is not valid: %s", clip(err.Error()))
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return "", errors.New("the token of the issuer is of another sign-in: try it again")
	}
	claims := make(map[string]json.RawMessage)
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("reading the token of the issuer: %w", err)
	}
	return i.person(claims)
}

// noToken is the error of an issuer that gives no token. What it answers is not for
// the log: it may be long, and have what it was asked with, the client secret too.
func noToken(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return fmt.Errorf("the issuer gives no token: it answers %d %s", refused.Response.StatusCode, clip(refused.ErrorCode))
	}
	return fmt.Errorf("asking the issuer for a token: %s", clip(err.Error()))
}

// inLower returns a text with the letters of ASCII in lower case, and no others: the
// Kelvin sign has a lower case too, which is the letter k.
func inLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// person returns whom the claims of a verified token name.
func (i *issuer) person(claims map[string]json.RawMessage) (string, error) {
	if i.cfg.Group != "" && !inGroup(claims[i.cfg.GroupsClaim], i.cfg.Group) {
		return "", fmt.Errorf("the token has no group %q in the claim %q", i.cfg.Group, i.cfg.GroupsClaim)
	}
	found := ""
	for _, identity := range identities(claims) {
		name := i.people[identity]
		switch {
		case name == "":
		case found != "" && found != name:
			return "", errors.New("the token is of two people of the configuration")
		default:
			found = name
		}
	}
	if found == "" {
		return "", errors.New("the token is of nobody who may approve here")
	}
	return found, nil
}

// identities returns all that a token says of who somebody is. An address of e-mail
// counts only if the issuer has verified it: people write what they like there.
func identities(claims map[string]json.RawMessage) []string {
	var all []string
	for _, claim := range []string{"sub", "oid", "preferred_username", "email"} {
		var value string
		if json.Unmarshal(claims[claim], &value) != nil || value == "" {
			continue
		}
		switch claim {
		case "preferred_username":
			value = inLower(value)
		case "email":
			if !verified(claims["email_verified"]) {
				continue
			}
			value = inLower(value)
		}
		all = append(all, claim+":"+value)
	}
	return all
}

// verified reads a claim that some issuers send as a text.
func verified(claim json.RawMessage) bool {
	text := strings.ToLower(strings.Trim(string(claim), `"`))
	return text == "true"
}

// inGroup reports whether a claim with a name or names has one.
func inGroup(claim json.RawMessage, group string) bool {
	var one string
	if json.Unmarshal(claim, &one) == nil {
		return one == group
	}
	var all []string
	if json.Unmarshal(claim, &all) != nil {
		return false
	}
	for _, name := range all {
		if name == group {
			return true
		}
	}
	return false
}
