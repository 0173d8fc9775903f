package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// BeginLogin returns what the browser of whoever is there is asked.
func (p *Passkeys) BeginLogin(ctx context.Context, browser string) (json.RawMessage, error) {
	assertion, session, err := p.rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, p.fail(ctx, errInternal, err)
	}
	if err := p.begin(browser, ceremony{kind: login, session: *session}); err != nil {
		return nil, err
	}
	return p.options(ctx, assertion)
}

func (p *Passkeys) options(ctx context.Context, assertion *protocol.CredentialAssertion) (json.RawMessage, error) {
	options, err := json.Marshal(assertion.Response)
	if err != nil {
		return nil, p.fail(ctx, errInternal, err)
	}
	return options, nil
}

// FinishLogin returns the person whose passkey has answered.
func (p *Passkeys) FinishLogin(ctx context.Context, browser string, answer json.RawMessage) (string, error) {
	c, err := p.end(browser, login)
	if err != nil {
		return "", err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", p.fail(ctx, errLogin, err)
	}
	p.change.Lock()
	defer p.change.Unlock()
	found, used, err := p.rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		return p.userOf(ctx, p.byHandle[string(handle)])
	}, c.session, parsed)
	if err != nil {
		return "", p.fail(ctx, errLogin, err)
	}
	person := found.WebAuthnName()
	if err := p.used(ctx, person, used); err != nil {
		return "", p.fail(ctx, errLogin, err)
	}
	return person, nil
}

// userOf returns a person with its passkeys.
func (p *Passkeys) userOf(ctx context.Context, person string) (*user, error) {
	if person == "" {
		return nil, errors.New("the user handle is nobody's")
	}
	keys, err := p.keysOf(ctx, person)
	if err != nil {
		return nil, err
	}
	return &user{person, keys}, nil
}

// used notes that a passkey was used. One whose counter went back may be a copy.
func (p *Passkeys) used(ctx context.Context, person string, made *webauthn.Credential) error {
	if made.Authenticator.CloneWarning {
		return fmt.Errorf("the counter of a passkey of %s went back: it may have been copied; remove it by kvclef approvals passkeys", person)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	key := credentialKey(person, made.ID)
	value, err := p.cfg.Records.Record(ctx, key)
	if err != nil {
		return err
	}
	if value == nil {
		return errUnknown
	}
	c, err := decodeCredential(key, value)
	if err != nil {
		return err
	}
	c.Credential.Authenticator.SignCount = made.Authenticator.SignCount
	c.Credential.Flags = made.Flags
	c.Used = p.cfg.Clock().UTC()
	return p.put(ctx, &c)
}
