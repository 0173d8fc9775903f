package passkey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kvclef/kvclef/rules"
)

const (
	prefixCredentials = "credential/" // #nosec G101 -- PERSON/SHA-256 of the id
	prefixTokens      = "enrol/"      // SHA-256 of the token
	recordVersion     = 1
)

// credential is a passkey as it is stored.
type credential struct {
	Version    int                 `json:"version"`
	Person     string              `json:"person"`
	Label      string              `json:"label,omitempty"`
	Added      time.Time           `json:"added"`
	Used       time.Time           `json:"used,omitzero"`
	Credential webauthn.Credential `json:"credential"`

	value []byte // as stored
}

// key is the key of the record.
func (c *credential) key() string { return credentialKey(c.Person, c.Credential.ID) }

func credentialKey(person string, id []byte) string {
	sum := sha256.Sum256(id)
	return prefixCredentials + person + "/" + hex.EncodeToString(sum[:])
}

// id is the id of a passkey, base64url.
func (c *credential) id() string { return encode(c.Credential.ID) }

// encode is base64url without padding.
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token is a link that enrols a passkey.
type token struct {
	Version int       `json:"version"`
	Person  string    `json:"person"`
	Until   time.Time `json:"until"`
}

// decode reads a record. What it does not know is an error.
func decode(key string, value []byte, into any, version *int) error {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more follows it")
		}
	}
	if err == nil && *version != recordVersion {
		err = fmt.Errorf("it has version %d, and this kvclef knows %d", *version, recordVersion)
	}
	if err != nil {
		return fmt.Errorf("the record %q: %w", key, err)
	}
	return nil
}

func decodeCredential(key string, value []byte) (credential, error) {
	c := credential{value: slices.Clone(value)}
	if err := decode(key, value, &c, &c.Version); err != nil {
		return c, err
	}
	if len(c.Credential.ID) == 0 || len(c.Credential.PublicKey) == 0 || key != c.key() {
		return c, fmt.Errorf("the record %q is of no passkey of %q", key, c.Person)
	}
	return c, nil
}

// keysOf returns the passkeys of a person, the oldest first.
func (p *Passkeys) keysOf(ctx context.Context, person string) ([]credential, error) {
	return p.keys(ctx, prefixCredentials+person+"/")
}

func (p *Passkeys) keys(ctx context.Context, prefix string) ([]credential, error) {
	return readKeys(ctx, p.cfg.Records, prefix)
}

func readKeys(ctx context.Context, records rules.Records, prefix string) ([]credential, error) {
	var all []credential
	err := records.EachRecord(ctx, prefix, func(key string, value []byte) error {
		c, err := decodeCredential(key, value)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading passkeys: %w", err)
	}
	slices.SortFunc(all, func(a, b credential) int {
		return strings.Compare(a.Person, b.Person)*2 + a.Added.Compare(b.Added)
	})
	return all, nil
}

// put stores a passkey, in place of what is stored of it.
func (p *Passkeys) put(ctx context.Context, c *credential, more ...rules.Change) error {
	c.Version = recordVersion
	value, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a passkey: %w", err)
	}
	return p.store(ctx, rules.Change{Key: c.key(), Old: c.value, New: value}, more...)
}

// store makes changes, all or none. Where it is not known whether they were made, the
// first one tells.
func (p *Passkeys) store(ctx context.Context, first rules.Change, more ...rules.Change) error {
	err := p.cfg.Records.ChangeRecords(ctx, append([]rules.Change{first}, more...)...)
	if err == nil {
		return nil
	}
	value, unread := p.cfg.Records.Record(ctx, first.Key)
	if unread == nil && bytes.Equal(value, first.New) {
		return nil
	}
	return errors.Join(err, unread)
}
