package identity

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestSecretIsReadAgain: a changed secret counts from the next look on and the one before
// no more; what can't be read changes nothing, and is logged once.
func TestSecretIsReadAgain(t *testing.T) {
	const nextHex = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	next, err := hex.DecodeString(nextHex)
	if err != nil {
		t.Fatal(err)
	}
	before := sharedKey(t)
	text, broken, reads := sharedHex, error(nil), 0
	var log strings.Builder
	d := newDesk(t, func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		cfg.Reread = func() (*Secret, error) {
			reads++
			if broken != nil {
				return nil, broken
			}
			return NewSecret(text, "consensus")
		}
	})
	token := func(key []byte) string {
		return made(t, jwt.SigningMethodHS256, nil, jwt.MapClaims{"iat": d.clock.at.Unix()}, key)
	}

	text = nextHex
	d.clock.at = d.clock.at.Add(secretInterval - time.Second)
	d.takes(token(before[:]), "consensus")
	if reads != 0 {
		t.Errorf("it was read %d times before it was time", reads)
	}
	d.clock.at = d.clock.at.Add(time.Second)
	d.denies(token(before[:]), "not signed with the secret")
	d.takes(token(next), "consensus")
	if reads != 1 {
		t.Errorf("it was read %d times, want once", reads)
	}

	broken = errors.New("jwt.hex has mode 0644")
	for range 3 {
		d.clock.at = d.clock.at.Add(secretInterval)
		d.takes(token(next), "consensus")
	}
	broken, text = nil, nextHex[:10]
	d.clock.at = d.clock.at.Add(secretInterval)
	d.takes(token(next), "consensus")

	text = sharedHex
	d.clock.at = d.clock.at.Add(secretInterval)
	d.takes(token(before[:]), "consensus")
	d.denies(token(next), "not signed with the secret")

	for what, want := range map[string]int{"read again:": 2, "mode 0644": 1, "not 64 hexadecimal digits": 1, nextHex[:10]: 0, sharedHex[2:12]: 0} {
		if got := strings.Count(log.String(), what); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", what, got, want, &log)
		}
	}
}
