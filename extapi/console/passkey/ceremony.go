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

// begin notes what a browser is asked, in place of what it was asked before. Each kind
// has room of its own: strangers who begin to sign in keep nobody from voting.
func (p *Passkeys) begin(browser string, c ceremony) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(browser)
	now := p.cfg.Clock()
	if p.count[c.kind] >= maxBrowsers {
		for of, other := range p.begun {
			if !now.Before(other.until) {
				p.take(of)
			}
		}
		if p.count[c.kind] >= maxBrowsers {
			return errBusy
		}
	}
	c.until = now.Add(ceremonyTime)
	p.begun[browser] = c
	p.count[c.kind]++
	return nil
}

// take removes and returns what a browser was asked. The lock is the caller's.
func (p *Passkeys) take(browser string) ceremony {
	c, there := p.begun[browser]
	if there {
		delete(p.begun, browser)
		p.count[c.kind]--
	}
	return c
}

// end returns what a browser was asked, once.
func (p *Passkeys) end(browser string, of kind) (ceremony, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.take(browser)
	if c.kind != of || !p.cfg.Clock().Before(c.until) {
		return ceremony{}, errBegin
	}
	return c, nil
}
