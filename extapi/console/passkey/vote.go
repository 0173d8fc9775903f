package passkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kvclef/kvclef/rules/approval"
)

// BeginVote returns what the browser of a person is asked, for one vote.
func (p *Passkeys) BeginVote(ctx context.Context, browser string, ballot approval.Ballot) (json.RawMessage, error) {
	if !p.known(ballot.Person) {
		return nil, errNone
	}
	u, err := p.userOf(ctx, ballot.Person)
	switch {
	case err != nil:
		return nil, p.fail(ctx, errInternal, err)
	case len(u.keys) == 0:
		return nil, errNone
	}
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce) // never fails
	challenge := claimOf(&ballot).challenge(nonce)
	assertion, session, err := p.rp.BeginLogin(u, webauthn.WithUserVerification(protocol.VerificationRequired),
		func(options *protocol.PublicKeyCredentialRequestOptions) error {
			options.Challenge = challenge[:]
			return nil
		})
	if err != nil {
		return nil, p.fail(ctx, errInternal, err)
	}
	if err := p.begin(browser, ceremony{kind: vote, session: *session, ballot: ballot, nonce: nonce, person: ballot.Person}); err != nil {
		return nil, err
	}
	return p.options(ctx, assertion)
}

// FinishVote returns the ballot that was begun, with the proof that its person has
// cast it.
func (p *Passkeys) FinishVote(ctx context.Context, browser string, answer json.RawMessage) (approval.Ballot, error) {
	c, err := p.end(browser, vote)
	if err != nil {
		return approval.Ballot{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return approval.Ballot{}, p.fail(ctx, errVote, err)
	}
	p.change.Lock()
	defer p.change.Unlock()
	u, err := p.userOf(ctx, c.person)
	if err != nil {
		return approval.Ballot{}, p.fail(ctx, errInternal, err)
	}
	used, err := p.rp.ValidateLogin(u, c.session, parsed)
	if err == nil {
		err = p.used(ctx, c.person, used)
	}
	if err != nil {
		return approval.Ballot{}, p.fail(ctx, errVote, err)
	}
	proof := Proof{
		Credential: encode(used.ID), RPID: p.rp.Config.RPID, Nonce: encode(c.nonce),
		AuthenticatorData: encode(parsed.Raw.AssertionResponse.AuthenticatorData), ClientData: encode(parsed.Raw.AssertionResponse.ClientDataJSON),
		Signature: encode(parsed.Raw.AssertionResponse.Signature),
	}
	text, err := json.Marshal(proof)
	if err != nil {
		return approval.Ballot{}, p.fail(ctx, errInternal, err)
	}
	// What is recorded must prove the vote to those who were not there.
	if err := Verify(text, used.PublicKey, claimOf(&c.ballot)); err != nil {
		return approval.Ballot{}, p.fail(ctx, errVote, err)
	}
	c.ballot.Way, c.ballot.Proof = Way, text
	key, public := credentialKey(c.person, used.ID), used.PublicKey
	c.ballot.Stand = func(ctx context.Context) (func(), error) { return p.stand(ctx, key, public) }
	return c.ballot, nil
}

// stand looks whether a passkey is still there when its vote is counted, and keeps it there
// until the vote is: else a vote would be in the journal after the end of what proves it.
func (p *Passkeys) stand(ctx context.Context, key string, public []byte) (release func(), err error) {
	p.change.RLock()
	value, err := p.cfg.Records.Record(ctx, key)
	switch {
	case err != nil:
	case value == nil:
		err = approval.ErrWithdrawn
	default:
		var c credential
		if c, err = decodeCredential(key, value); err == nil && !bytes.Equal(c.Credential.PublicKey, public) {
			err = approval.ErrWithdrawn
		}
	}
	if err != nil {
		p.change.RUnlock()
		return nil, err
	}
	return p.change.RUnlock, nil
}

func claimOf(b *approval.Ballot) Claim {
	return Claim{Ticket: b.Ticket, Hash: b.Hash, Person: b.Person, Approve: b.Approve, Comment: b.Comment}
}
