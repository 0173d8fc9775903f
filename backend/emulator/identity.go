package emulator

import (
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The two managed-identity endpoints that this server has: that of virtual
// machines and that of App Service, whose address a platform gives in
// IDENTITY_ENDPOINT.
const (
	imdsPath       = "/metadata/identity/oauth2/token"
	appServicePath = "/msi/token"
)

// IdentityEndpoint is the value for IDENTITY_ENDPOINT.
func (s *Server) IdentityEndpoint() string { return s.ProxyURL() + appServicePath }

// IdentityHeader is the value for IDENTITY_HEADER, a secret of this start.
func (s *Server) IdentityHeader() string { return s.tokens.keyID }

// serveIdentity answers requests for a managed identity's token. They are plain
// HTTP, as in reality.
func (s *Server) serveIdentity(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path != imdsPath && path != appServicePath {
		http.Error(w, "this listener has the metadata endpoint and CONNECT only", http.StatusNotFound)
		return
	}
	s.counts[OpIdentity].Add(1)
	fault := s.faults.take(OpIdentity, "")
	s.beforeAnswer(r, fault)
	body, f := s.answerIdentity(r, path)
	if injected := fault.entraFailure(); injected != nil {
		body, f = nil, injected
	}
	s.writeEntra(w, r, body, f, fault)
}

func (s *Server) answerIdentity(r *http.Request, path string) (any, *entraFailure) {
	invalid := func(description string) (any, *entraFailure) {
		return nil, entraError(http.StatusBadRequest, "invalid_request", 900144, description)
	}
	query := r.URL.Query()
	if path == imdsPath && r.Header.Get("Metadata") != "true" {
		return invalid("Required metadata header not specified.")
	}
	if path == appServicePath && subtle.ConstantTimeCompare([]byte(r.Header.Get("X-IDENTITY-HEADER")), []byte(s.IdentityHeader())) != 1 {
		return nil, entraError(http.StatusUnauthorized, "unauthorized", 7000218, "The X-IDENTITY-HEADER is wrong.")
	}
	if r.Method != http.MethodGet || query.Get("api-version") == "" {
		return invalid("A GET request with an api-version is needed.")
	}
	if id := query.Get("client_id"); id != "" && !strings.EqualFold(id, s.opts.ClientID) {
		return invalid("Identity not found.")
	}
	resource := strings.TrimSuffix(query.Get("resource"), "/")
	if !s.knownResource(resource) {
		return nil, entraError(http.StatusBadRequest, "invalid_resource", 500011,
			"The resource principal named "+bounded(resource)+" was not found in the tenant.")
	}
	token, expires, err := s.tokens.issue(s.opts.ClientID, resource)
	if err != nil {
		return nil, entraError(http.StatusInternalServerError, "server_error", 90033, err.Error())
	}
	// All members are strings here, unlike in Entra's own answer.
	return map[string]string{
		"access_token": token,
		"client_id":    s.opts.ClientID,
		"expires_in":   strconv.FormatInt(int64(time.Until(expires).Round(time.Second)/time.Second), 10),
		"expires_on":   strconv.FormatInt(expires.Unix(), 10),
		"resource":     resource,
		"token_type":   "Bearer",
	}, nil
}
