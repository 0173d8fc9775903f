package passkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kvclef/kvclef/rules"
)

// maxTokens bounds the links that nobody has used.
const maxTokens = 100

// NewToken makes a token that adds one passkey of a person, within 15 minutes. Only
// its hash is stored. It is for the person alone.
func (p *Passkeys) NewToken(ctx context.Context, person string) (text string, until time.Time, err error) {
	if !p.known(person) {
		return "", time.Time{}, fmt.Errorf("%q is nobody who may approve: see approvals.people", person)
	}
	p.change.Lock()
	defer p.change.Unlock()
	now := p.cfg.Clock().UTC()
	changes, left, err := p.oldTokens(ctx, now)
	if err != nil {
		return "", time.Time{}, err
	}
	if left >= maxTokens {
		return "", time.Time{}, fmt.Errorf("%d links are not used: wait until they are too old", left)
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	text, until = encode(random[:]), now.Add(tokenTime)
	value, err := json.Marshal(token{Version: recordVersion, Person: person, Until: until})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("encoding a token: %w", err)
	}
	if err := p.cfg.Records.ChangeRecords(ctx, append(changes, rules.Change{Key: tokenKey(text), New: value})...); err != nil {
		return "", time.Time{}, fmt.Errorf("keeping a token: %w", err)
	}
	return text, until, nil
}

// tokenKey is the key of a token's record.
func tokenKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return prefixTokens + hex.EncodeToString(sum[:])
}

// oldTokens returns the changes that remove tokens that are too old, and how many are
// left.
func (p *Passkeys) oldTokens(ctx context.Context, now time.Time) (changes []rules.Change, left int, err error) {
	err = p.cfg.Records.EachRecord(ctx, prefixTokens, func(key string, value []byte) error {
		var t token
		if err := decode(key, value, &t, &t.Version); err != nil {
			return err
		}
		if now.Before(t.Until) {
			left++
		} else if len(changes) < maxTokens {
			changes = append(changes, rules.Change{Key: key, Old: value})
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading tokens: %w", err)
	}
	return changes, left, nil
}

// BeginEnrol returns whom a token is for, and what its browser is asked.
func (p *Passkeys) BeginEnrol(ctx context.Context, browser, text string) (person string, options json.RawMessage, err error) {
	t, _, err := p.tokenOf(ctx, tokenKey(text))
	if err != nil {
		return "", nil, err
	}
	keys, err := p.keysOf(ctx, t.Person)
	if err != nil {
		return "", nil, p.fail(ctx, errInternal, err)
	}
	if len(keys) >= maxOfPerson {
		return "", nil, errMany
	}
	u := &user{t.Person, keys}
	exclude := make([]protocol.CredentialDescriptor, len(keys))
	for i := range keys {
		exclude[i] = keys[i].Credential.Descriptor()
	}
	creation, session, err := p.rp.BeginRegistration(u, webauthn.WithExclusions(exclude), webauthn.WithCredentialParameters(algorithms()))
	if err != nil {
		return "", nil, p.fail(ctx, errInternal, err)
	}
	if err := p.begin(browser, ceremony{kind: enrol, session: *session, person: t.Person, token: tokenKey(text)}); err != nil {
		return "", nil, err
	}
	options, err = json.Marshal(creation.Response)
	if err != nil {
		return "", nil, p.fail(ctx, errInternal, err)
	}
	return t.Person, options, nil
}

// tokenOf returns a token that may be used, and its record.
func (p *Passkeys) tokenOf(ctx context.Context, key string) (token, []byte, error) {
	var t token
	value, err := p.cfg.Records.Record(ctx, key)
	if err == nil && value != nil {
		err = decode(key, value, &t, &t.Version)
	}
	switch {
	case err != nil:
		return t, nil, p.fail(ctx, errInternal, err)
	case value == nil || !p.cfg.Clock().Before(t.Until) || !p.known(t.Person):
		return t, nil, errToken
	}
	return t, value, nil
}

// FinishEnrol keeps a new passkey, once it is in the journal. The token is used up.
func (p *Passkeys) FinishEnrol(ctx context.Context, browser, label string, answer json.RawMessage) (person string, err error) {
	c, err := p.end(browser, enrol)
	if err != nil {
		return "", err
	}
	p.change.Lock()
	defer p.change.Unlock()
	t, value, err := p.tokenOf(ctx, c.token)
	if err != nil {
		return "", err
	}
	if t.Person != c.person {
		return "", errToken
	}
	keys, err := p.keysOf(ctx, c.person)
	if err != nil {
		return "", p.fail(ctx, errInternal, err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return "", p.fail(ctx, errEnrol, err)
	}
	made, err := p.rp.CreateCredential(&user{c.person, keys}, c.session, parsed)
	if err != nil {
		return "", p.fail(ctx, errEnrol, err)
	}
	if err := fit(made.ID, made.PublicKey); err != nil {
		return "", p.fail(ctx, errKind, err)
	}
	made.Attestation = webauthn.CredentialAttestation{} // of what it is made is not asked
	added := credential{Person: c.person, Label: cleanLabel(label), Added: p.cfg.Clock().UTC(), Credential: *made}
	if err := p.unknownElsewhere(ctx, &added); err != nil {
		return "", err
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	event := Event{Person: c.person, ID: added.id(), PublicKey: encode(made.PublicKey), RPID: p.rp.Config.RPID, Added: true, By: c.person}
	if err := p.cfg.Journal.Credential(ctx, event); err != nil {
		return "", p.fail(ctx, errInternal, err)
	}
	if err := p.put(ctx, &added, rules.Change{Key: c.token, Old: value}); err != nil {
		event.Added, event.By = false, "kvclef"
		return "", p.fail(ctx, errInternal, errors.Join(err, p.cfg.Journal.Credential(ctx, event)))
	}
	p.cfg.Logger.WarnContext(ctx, "Passkey added", "person", c.person, "id", added.id())
	return c.person, nil
}

// unknownElsewhere refuses a passkey that is another's.
func (p *Passkeys) unknownElsewhere(ctx context.Context, added *credential) error {
	all, err := p.keys(ctx, prefixCredentials)
	if err != nil {
		return p.fail(ctx, errInternal, err)
	}
	for i := range all {
		if all[i].id() == added.id() {
			return p.fail(ctx, errEnrol, fmt.Errorf("it is known already, as a passkey of %s", all[i].Person))
		}
	}
	return nil
}

// cleanLabel bounds what an owner calls a passkey.
func cleanLabel(label string) string {
	label = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(label, ""))
	for len(label) > maxLabel {
		_, size := utf8.DecodeLastRuneInString(label)
		label = label[:len(label)-size]
	}
	return strings.TrimSpace(label)
}
