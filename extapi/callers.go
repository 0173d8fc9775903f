package extapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Tokens tells who sends a bearer token, see package identity. An error says what is
// wrong with it, and has no part of it.
type Tokens interface {
	// Identify returns who sends the headers of a request, and when that ends to be
	// so; the zero time is never.
	Identify(ctx context.Context, header http.Header) (name string, ends time.Time, err error)
}

// Callers tells who asks by requests of HTTP, as far as their connection and their
// token prove it. What a request says of itself elsewhere, such as X-Forwarded-For,
// has no part in it. The zero value takes everybody for [Anonymous].
type Callers struct {
	// TLS is that of the listener; its certificates name callers, see
	// [TLSConfig.ClientCAFile]. Default: nil, it is in clear.
	TLS *TLSKeeper

	// Tokens name callers. Where certificates do so too, a caller needs both, and the
	// token has the name. Default: nil, there are none.
	Tokens Tokens
}

// Identity is who asks.
type Identity struct {
	Principal string
	Ends      time.Time // of the proof; the zero time is not known before
}

// Named reports whether callers prove who they are.
func (c Callers) Named() bool { return c.Tokens != nil || c.TLS != nil && c.TLS.NamesCallers() }

// Identify returns who asks by a request. It is asked for each: what held when the
// connection was opened may not hold any more. A caller who has as many connections as are left
// gets no answer on a further one, where callers are told apart. [Deny] answers an error.
func (c Callers) Identify(r *http.Request) (Identity, error) {
	who, err := c.identify(r)
	if err == nil && c.Named() && !claimed(r.Context(), who.Principal) {
		return Identity{}, &crowdedError{who.Principal}
	}
	return who, err
}

func (c Callers) identify(r *http.Request) (Identity, error) {
	principal, err := c.certificate(r)
	if err != nil || c.Tokens == nil {
		return Identity{Principal: principal}, err
	}
	Stranger(r.Context()) // keys may have to be asked for
	name, ends, err := c.Tokens.Identify(r.Context(), r.Header)
	if err == nil {
		err = checkName("token", name)
	}
	if err == nil && !Known(r.Context()) {
		err = errors.New("the connection was closed to make room while the token was looked at")
	}
	if err != nil {
		return Identity{}, &tokenError{err}
	}
	return Identity{name, ends}, nil
}

// Still returns an error if a request that opened a connection would not be its
// caller's any more. A token is judged when it is sent, and then counts to its end.
func (c Callers) Still(r *http.Request, who Identity, now time.Time) error {
	principal, err := c.certificate(r)
	switch {
	case err != nil:
		return err
	case c.Tokens != nil:
		if !who.Ends.IsZero() && !now.Before(who.Ends) {
			return &tokenError{errors.New("the token has expired")}
		}
	case principal != who.Principal:
		return errors.New("the caller is not the one who opened the connection")
	}
	return nil
}

func (c Callers) certificate(r *http.Request) (string, error) {
	if c.TLS == nil {
		return Anonymous, nil
	}
	return c.TLS.Principal(r)
}

// tokenError is what is wrong with a token.
type tokenError struct{ err error }

// Error is for the log.
func (e *tokenError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *tokenError) Unwrap() error { return e.err }

// crowdedError is that a caller has too many connections.
type crowdedError struct{ principal string }

// Error is for the log and for the caller.
func (e *crowdedError) Error() string {
	return "too many connections of " + e.principal + " are being answered: the others are for other callers"
}

// Deny answers a request whose caller is not known, or has too many others. What is wrong with a token is for
// the log alone: whoever tries some out learns nothing.
func Deny(w http.ResponseWriter, r *http.Request, err error) {
	if crowded := (*crowdedError)(nil); errors.As(err, &crowded) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var token *tokenError
	if !errors.As(err, &token) {
		w.Header().Set("Connection", "close") // a new one shows a new certificate
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	challenge := `Bearer realm="kvclef"`
	if len(r.Header["Authorization"]) > 0 {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, InvalidToken, http.StatusUnauthorized)
}

// InvalidToken is all that a caller is told whose token does not count.
const InvalidToken = "invalid token"

// LogDenied logs that a request is denied.
func LogDenied(log func(kind string, attrs ...any), r *http.Request, err error) {
	kind := refusedCertificate
	if token := (*tokenError)(nil); errors.As(err, &token) {
		kind = refusedToken
	} else if crowded := (*crowdedError)(nil); errors.As(err, &crowded) {
		kind = refusedConnection
	}
	log(kind, slog.String("reason", clipTo(err.Error(), 256)), slog.String("remote", r.RemoteAddr), RequestAttr(r.Context()))
}

// CheckReach refuses a listener that other machines can reach unless it is encrypted
// and knows its callers. The keys are those of its configuration, such as
// listeners.http.
func CheckReach(keys, addr string, encrypted, named bool) error {
	switch {
	case Loopback(addr) || encrypted && named:
		return nil
	case !encrypted:
		return fmt.Errorf("%s: %q can be reached by other machines, in clear: use 127.0.0.1, or give %[1]s.tls a certificate, and its client_ca_file or %[1]s.jwt", keys, addr)
	default:
		return fmt.Errorf("%s: %q can be reached by other machines, and everybody could call: use 127.0.0.1, or say how callers prove who they are by %[1]s.tls.client_ca_file or %[1]s.jwt", keys, addr)
	}
}
