package identity

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// secretSize is that of the engine API's secret, in bytes.
const secretSize = 32

// Secret verifies tokens of those who have it too, as the engine API of Ethereum
// nodes does (execution-apis, authentication): HS256, and issued within the last or
// next 60 s. Whoever has it can write any claim, so that no claim says who asks: all
// of them are one principal.
type Secret struct {
	key       func() []byte // whatever else it were, package fmt would look into it
	principal string
}

// NewSecret reads a secret of 64 hexadecimal digits, with or without 0x, and says
// what those are called who have it. No error shows any of it.
func NewSecret(text, principal string) (*Secret, error) {
	text = strings.TrimSpace(text)
	if rest, found := strings.CutPrefix(text, "0x"); found {
		text = rest
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != secretSize {
		return nil, errors.New("the secret is not 64 hexadecimal digits: make one by openssl rand -hex 32")
	}
	if principal == "" {
		return nil, errors.New("those who have the secret have no name")
	}
	return &Secret{func() []byte { return key }, principal}, nil
}

// Same reports whether both verify the same tokens of the same callers.
func (s Secret) Same(other *Secret) bool {
	return subtle.ConstantTimeCompare(s.key(), other.key()) == 1 && s.principal == other.principal
}

// String shows nothing.
func (Secret) String() string { return "a secret" }

// Format shows nothing, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "a secret") }

// LogValue shows nothing.
func (Secret) LogValue() slog.Value { return slog.StringValue("a secret") }

// MarshalText shows nothing; it serves JSON and YAML too.
func (Secret) MarshalText() ([]byte, error) { return []byte("a secret"), nil }

// identify returns what those are called who have the secret. That a token is fresh
// is asked when it is sent: it ends only if it says so.
func (s Secret) identify(signed *jose.JSONWebSignature, now time.Time) (string, time.Time, error) {
	payload, err := signed.Verify(s.key())
	if err != nil {
		return "", time.Time{}, errors.New("the token is not signed with the secret")
	}
	all, err := readClaims(payload)
	if err != nil {
		return "", time.Time{}, err
	}
	bounds, err := all.times()
	if err == nil {
		err = bounds.check(now, 0)
	}
	switch {
	case err != nil:
		return "", time.Time{}, err
	case bounds.issued.IsZero():
		return "", time.Time{}, errors.New("the token does not say when it was issued")
	case now.Sub(bounds.issued) > leeway:
		return "", time.Time{}, errors.New("the token was issued more than 60 s ago")
	}
	return s.principal, bounds.ends, nil
}
