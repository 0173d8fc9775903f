package emulator

import (
	"fmt"
	"net/http"
	"strings"
)

// authenticate lets a request with a live token of the right audience through.
// A request without a token gets the challenge that tells where to get one.
func (s *Server) authenticate(r *http.Request, t target) (Op, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return OpChallenge, s.unauthorized(t, "AKV10000: Request is missing a Bearer or PoP token.")
	}
	if err := s.tokens.check(token, t.resource); err != nil {
		return OpDenied, s.unauthorized(t, err.Error())
	}
	return "", nil
}

func (s *Server) unauthorized(t target, message string) *failure {
	return &failure{
		status: http.StatusUnauthorized, code: "Unauthorized", message: message, emptyOnHSM: true,
		challenge: fmt.Sprintf(`Bearer authorization=%q, resource=%q`, t.authority+"/"+s.opts.TenantID, t.resource),
	}
}

// malformedChallenge has an authorization URL without a path, which makes
// clients that index into it panic.
func (s *Server) malformedChallenge(t target) *failure {
	f := s.unauthorized(t, "AKV10000: Request is missing a Bearer or PoP token.")
	f.challenge = fmt.Sprintf(`Bearer authorization=%q, resource=%q`, t.authority, t.resource)
	return f
}
