package emulator

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// entraFailure is an error answer of Entra: RFC 6749 section 5.2 with Entra's
// additions.
type entraFailure struct {
	status      int
	code        string // invalid_client and so on
	aadsts      int
	description string
	retryAfter  time.Duration
}

func entraError(status int, code string, aadsts int, description string) *entraFailure {
	return &entraFailure{status: status, code: code, aadsts: aadsts, description: description}
}

// maxForm bounds the body of a token request.
const maxForm = 64 << 10

// serveEntra answers discovery and token requests of any tenant path.
func (s *Server) serveEntra(w http.ResponseWriter, r *http.Request, t target) {
	path := strings.Trim(r.URL.Path, "/")
	tenant, rest, _ := strings.Cut(path, "/")
	op := OpDiscovery
	if r.Method == http.MethodPost && (rest == "oauth2/v2.0/token" || rest == "oauth2/token") {
		op = OpToken
	}
	s.counts[op].Add(1)
	fault := s.faults.take(op, "")
	s.beforeAnswer(r, fault)
	if f := fault.entraFailure(); f != nil {
		s.writeEntra(w, r, nil, f, fault)
		return
	}
	body, f := s.answerEntra(w, r, t, op, tenant, rest)
	s.writeEntra(w, r, body, f, fault)
}

func (s *Server) answerEntra(w http.ResponseWriter, r *http.Request, t target, op Op, tenant, rest string) (any, *entraFailure) {
	if tenant+"/"+rest == "common/discovery/instance" {
		return instanceDiscovery(s.opts.TenantID), nil
	}
	if !strings.EqualFold(tenant, s.opts.TenantID) {
		return nil, entraError(http.StatusBadRequest, "invalid_tenant", 90002,
			"Tenant '"+bounded(tenant)+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
	}
	switch {
	case op == OpToken:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		return s.clientToken(r, t)
	case r.Method == http.MethodGet && strings.HasSuffix(rest, ".well-known/openid-configuration"):
		return openidConfiguration(t.base, s.opts.TenantID), nil
	case r.Method == http.MethodGet && rest == "discovery/v2.0/keys":
		keys, err := s.tokens.keySet()
		if err != nil {
			return nil, entraError(http.StatusInternalServerError, "server_error", 90033, err.Error())
		}
		return keys, nil
	}
	return nil, entraError(http.StatusNotFound, "invalid_request", 90023, "No such endpoint.")
}

// openidConfiguration is OpenID Connect Discovery 1.0 as far as the clients of
// Azure read it. The issuer's host must be the authority's.
func openidConfiguration(base, tenant string) map[string]any {
	root := base + "/" + tenant
	return map[string]any{
		"issuer":                                root + "/v2.0",
		"authorization_endpoint":                root + "/oauth2/v2.0/authorize",
		"token_endpoint":                        root + "/oauth2/v2.0/token",
		"jwks_uri":                              root + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code", "id_token", "token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
	}
}

// instanceDiscovery tells a client which authorities are Entra.
func instanceDiscovery(tenant string) map[string]any {
	var metadata []map[string]any
	for _, c := range clouds {
		metadata = append(metadata, map[string]any{
			"preferred_network": c.authority, "preferred_cache": c.authority, "aliases": []string{c.authority},
		})
	}
	return map[string]any{
		"tenant_discovery_endpoint": "https://" + clouds[0].authority + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  metadata,
	}
}

// tokenReply is RFC 6749 section 5.1.
type tokenReply struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
}

func (s *Server) reply(resource string) (any, *entraFailure) {
	token, expires, err := s.tokens.issue(s.opts.ClientID, resource)
	if err != nil {
		return nil, entraError(http.StatusInternalServerError, "server_error", 90033, err.Error())
	}
	seconds := int64(time.Until(expires).Round(time.Second) / time.Second)
	return tokenReply{"Bearer", seconds, seconds, token}, nil
}

func (s *Server) writeEntra(w http.ResponseWriter, r *http.Request, body any, f *entraFailure, fault *Fault) {
	status := http.StatusOK
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	requestID := randomUUID()
	h.Set("x-ms-request-id", requestID)
	if f != nil {
		status = f.status
		now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
		code := "AADSTS" + strconv.Itoa(f.aadsts)
		body = map[string]any{
			"error":             f.code,
			"error_description": code + ": " + f.description + " Trace ID: " + requestID + " Correlation ID: " + requestID + " Timestamp: " + now,
			"error_codes":       []int{f.aadsts},
			"timestamp":         now,
			"trace_id":          requestID,
			"correlation_id":    requestID,
			"error_uri":         "https://login.microsoftonline.com/error?code=" + strconv.Itoa(f.aadsts),
		}
		setRetryAfter(h, f.retryAfter)
	}
	s.log.LogAttrs(context.WithoutCancel(r.Context()), levelRequest, "entra request", logRequest(r, status)...)
	s.write(w, r, status, body, fault)
}

// bounded cuts what a caller sent to a length that may be quoted.
func bounded(text string) string {
	if len(text) > 128 {
		return text[:128]
	}
	return text
}
