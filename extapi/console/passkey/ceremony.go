package passkey

import (
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kvclef/kvclef/rules/approval"
)

// What a browser has begun. The zero kind is nothing.
type kind int

const (
	_ kind = iota
	login
	vote
	enrol
)

// ceremony is what a browser was asked, and has not answered.
type ceremony struct {
	kind    kind
	session webauthn.SessionData
	until   time.Time

	ballot approval.Ballot // of a vote
	nonce  []byte          // of a vote
	person string          // of a vote or an enrolment
	token  string          // of an enrolment: the key of its record
}

// begin notes what a browser is asked, in place of what it was asked before.
func (p *Passkeys) begin(browser string, c ceremony) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Clock()
	if _, there := p.begun[browser]; !there && len(p.begun) >= maxBrowsers {
		for of, other := range p.begun {
			if !now.Before(other.until) {
				delete(p.begun, of)
			}
		}
		if len(p.begun) >= maxBrowsers {
			return errBusy
		}
	}
	c.until = now.Add(ceremonyTime)
	p.begun[browser] = c
	return nil
}

// end returns what a browser was asked, once.
func (p *Passkeys) end(browser string, of kind) (ceremony, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.begun[browser]
	delete(p.begun, browser)
	if c.kind != of || !p.cfg.Clock().Before(c.until) {
		return ceremony{}, errBegin
	}
	return c, nil
}
