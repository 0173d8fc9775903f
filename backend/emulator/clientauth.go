package emulator

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// jwtBearer is the client_assertion_type of RFC 7523 section 2.2.
const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // the name of a type, no secret

// clientToken is the client credentials grant (RFC 6749 section 4.4) with a
// secret, a certificate's assertion, or a federated identity's token.
func (s *Server) clientToken(r *http.Request, t target) (any, *entraFailure) {
	if err := r.ParseForm(); err != nil {
		return nil, entraError(http.StatusBadRequest, "invalid_request", 900144, "The request body is malformed.")
	}
	form := r.PostForm
	if form.Get("grant_type") != "client_credentials" {
		return nil, entraError(http.StatusBadRequest, "unsupported_grant_type", 70003,
			"The app requested an unsupported grant type '"+bounded(form.Get("grant_type"))+"'.")
	}
	resource, f := s.scopeResource(form.Get("scope"))
	if f != nil {
		return nil, f
	}
	if !strings.EqualFold(form.Get("client_id"), s.opts.ClientID) {
		return nil, entraError(http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '"+bounded(form.Get("client_id"))+"' was not found in the directory.")
	}
	switch {
	case form.Has("client_assertion"):
		f = s.checkAssertion(form.Get("client_assertion_type"), form.Get("client_assertion"), t)
	case form.Has("client_secret"):
		f = s.checkSecret(form.Get("client_secret"))
	default:
		f = entraError(http.StatusUnauthorized, "invalid_client", 7000218,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	if f != nil {
		return nil, f
	}
	return s.reply(resource)
}

// scopeResource finds the resource in a scope such as
// "https://vault.azure.net/.default openid profile".
func (s *Server) scopeResource(scope string) (string, *entraFailure) {
	for field := range strings.FieldsSeq(scope) {
		resource, ok := strings.CutSuffix(field, "/.default")
		if !ok {
			continue
		}
		if !s.knownResource(resource) {
			return "", entraError(http.StatusBadRequest, "invalid_resource", 500011,
				"The resource principal named "+bounded(resource)+" was not found in the tenant.")
		}
		return resource, nil
	}
	return "", entraError(http.StatusBadRequest, "invalid_scope", 1002012,
		"The provided value for scope "+bounded(scope)+" is not valid. Client credential flows must have a scope value "+
			"with /.default suffixed to the resource identifier.")
}

func (s *Server) checkSecret(secret string) *entraFailure {
	if subtle.ConstantTimeCompare([]byte(secret), []byte(s.opts.ClientSecret)) == 1 {
		return nil
	}
	return wrongSecret(s.opts.ClientID)
}

func wrongSecret(client string) *entraFailure {
	return entraError(http.StatusUnauthorized, "invalid_client", 7000215,
		"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
			"not the client secret ID, for a secret added to app '"+client+"'.")
}

func (s *Server) checkAssertion(kind, assertion string, t target) *entraFailure {
	if kind != jwtBearer {
		return entraError(http.StatusBadRequest, "invalid_request", 900144, "The client_assertion_type must be "+jwtBearer+".")
	}
	federated := s.opts.FederatedToken
	if federated != "" && subtle.ConstantTimeCompare([]byte(assertion), []byte(federated)) == 1 {
		return nil
	}
	err := s.checkCertificateAssertion(assertion, t)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
		return entraError(http.StatusUnauthorized, "invalid_client", 700024, "Client assertion is not within its valid time range.")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, errNoCertificate):
		return entraError(http.StatusUnauthorized, "invalid_client", 700027,
			"The certificate with identifier used to sign the client assertion is not registered on application.")
	}
	return entraError(http.StatusUnauthorized, "invalid_client", 70021,
		"No matching federated identity record found for presented assertion.")
}

var errNoCertificate = errors.New("no registered certificate has the assertion's thumbprint")

// checkCertificateAssertion verifies the JWT that a client signs with the key of
// its certificate ("Microsoft identity platform application authentication
// certificate credentials").
func (s *Server) checkCertificateAssertion(assertion string, t target) error {
	p := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "PS256"}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(s.opts.ClientID),
		jwt.WithSubject(s.opts.ClientID),
		jwt.WithAudience(t.base+"/"+s.opts.TenantID+"/oauth2/v2.0/token", t.base+"/"+s.opts.TenantID+"/v2.0"),
	)
	_, err := p.Parse(assertion, func(token *jwt.Token) (any, error) {
		i := slices.IndexFunc(s.opts.ClientCertificates, func(c *x509.Certificate) bool { return hasThumbprint(token.Header, c) })
		if i < 0 {
			return nil, errNoCertificate
		}
		return s.opts.ClientCertificates[i].PublicKey, nil
	})
	return err
}

// hasThumbprint compares the certificate with x5t#S256 (RFC 7515 section 4.1.8),
// which MSAL for Go writes in the standard alphabet of base64 instead of that of
// base64url; Entra takes both.
func hasThumbprint(header map[string]any, c *x509.Certificate) bool {
	want, ok := header["x5t#S256"].(string)
	if !ok {
		return false
	}
	sum := sha256.Sum256(c.Raw)
	got, err := decode(strings.NewReplacer("+", "-", "/", "_").Replace(want))
	return err == nil && bytes.Equal(got, sum[:])
}
