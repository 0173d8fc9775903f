package identity

import (
	"errors"
	"net/http"
	"strings"
)

// bearer returns the one token of a request. A token in the address would be in the
// logs of others, and is not looked for.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", ErrNoToken
	case len(values) > 1:
		return "", errors.New("there is more than one Authorization header")
	}
	scheme, token, found := strings.Cut(values[0], " ")
	switch token = strings.TrimLeft(token, " "); {
	case !found || !strings.EqualFold(scheme, "Bearer") || token == "":
		return "", ErrNoToken
	case len(token) > maxToken:
		return "", errors.New("the token is too long")
	}
	return token, nil
}

// ordinary reports whether the type that a header gives is one of tokens that say who
// somebody is (RFC 9068, 4): others, of the same issuer, are for other ends.
func ordinary(kind any) bool {
	text, ok := kind.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return ok && (text == "jwt" || text == "at+jwt")
}
