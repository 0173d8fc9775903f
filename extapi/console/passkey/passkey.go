// Package passkey knows people by keys on their own devices (WebAuthn level 3). A
// vote is an assertion of its own: the person's key signs a challenge that is made of
// the ticket, the hash of what was shown, the verdict and the comment, so that the
// vote can be proved for as long as the assertion is kept.
//
// A key is enrolled by a link that the operator makes, once. The package knows no
// password, never holds a private key, and never counts a vote.
package passkey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kvclef/kvclef/extapi/console"
	"github.com/kvclef/kvclef/rules"
)

var _ console.Passkeys = (*Passkeys)(nil)

// Way is how votes by passkey are marked.
const Way = "passkey"

// Bounds.
const (
	maxBrowsers  = 4000             // that have begun one kind of thing: more than a console lets begin in ceremonyTime
	maxOfPerson  = 20               // passkeys
	ceremonyTime = 3 * time.Minute  // from the question to the answer
	tokenTime    = 15 * time.Minute // from the link to the key
	changeTime   = 10 * time.Second // of what is kept
	maxLabel     = 64               // bytes
)

// Journal keeps the record of which keys are whose.
type Journal interface {
	// Credential is durable when it returns nil.
	Credential(ctx context.Context, event Event) error
}

// Event is that a passkey is added or removed.
type Event struct {
	Person    string
	ID        string // of the passkey, base64url
	PublicKey string // COSE, base64url
	RPID      string // the host that it is for
	Added     bool   // else it was removed
	Kept      bool   // it was added before the journal began: see [Kept]
	By        string // who removed it
}

// Config is what passkeys need.
type Config struct {
	URL     string // of the console, as browsers see it: the origin
	People  []string
	Records rules.Records
	Journal Journal
	Logger  *slog.Logger
	Clock   func() time.Time // default time.Now
}

// Passkeys are those of all people. It is safe for concurrent use.
type Passkeys struct {
	cfg      Config
	rp       *webauthn.WebAuthn
	byHandle map[string]string // the name of a person, by its user handle

	change sync.RWMutex // of what is stored; read by votes that are counted

	mu    sync.Mutex
	begun map[string]ceremony // by browser
	count map[kind]int        // of those begun

	removed atomic.Pointer[func(person string)] // nil: nobody is told
}

// New returns the passkeys that are stored in the records.
func New(cfg Config) (*Passkeys, error) {
	if cfg.Records == nil || cfg.Journal == nil || cfg.Logger == nil {
		return nil, errors.New("passkeys need records, a journal and a logger")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a console", cfg.URL)
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "kvclef", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys for %s: %w", cfg.URL, err)
	}
	p := &Passkeys{cfg: cfg, rp: rp, byHandle: make(map[string]string), begun: make(map[string]ceremony), count: make(map[kind]int)}
	for _, name := range cfg.People {
		p.byHandle[string(handleOf(name))] = name
	}
	return p, nil
}

// known reports whether somebody may approve.
func (p *Passkeys) known(person string) bool { return p.byHandle[string(handleOf(person))] == person }

// handleOf is the user handle of a person: what a device remembers it by.
func handleOf(person string) []byte {
	sum := sha256.Sum256([]byte("kvclef person " + person))
	return sum[:]
}

// user is a person as the library sees it.
type user struct {
	name string
	keys []credential
}

// WebAuthnID is the user handle.
func (u *user) WebAuthnID() []byte { return handleOf(u.name) }

// WebAuthnName is the person's name.
func (u *user) WebAuthnName() string { return u.name }

// WebAuthnDisplayName is the person's name.
func (u *user) WebAuthnDisplayName() string { return u.name }

// WebAuthnCredentials are the person's passkeys.
func (u *user) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, len(u.keys))
	for i := range u.keys {
		all[i] = u.keys[i].Credential
	}
	return all
}

// plainError is an error for the person. The cause is in the log.
type plainError string

// Error returns the text.
func (e plainError) Error() string { return string(e) }

// The errors that people see.
const (
	errBegin    = plainError("that took too long, or was begun elsewhere: try again")
	errLogin    = plainError("this passkey is not known here, or was not confirmed: ask the operator for a link, kvclef approvals enrol")
	errVote     = plainError("the passkey did not confirm this vote, which is not counted: try again")
	errNone     = plainError("you have no passkey here: ask the operator for a link, kvclef approvals enrol")
	errToken    = plainError("the link is used, or older than 15 minutes: ask the operator for another one")
	errEnrol    = plainError("the passkey could not be added: try again, with a device that asks for a finger, a face or a PIN")
	errInternal = plainError("that failed: the signer's log says why")
	errKind     = plainError("this passkey is of a kind that is not taken here: use another device")
	errMany     = plainError("there are too many passkeys already: remove one")
	errBusy     = plainError("too many people sign in at once: try again in a minute")
	errUnknown  = plainError("there is no such passkey")
)

// lasting is for changes that must not stay half done because who asked has gone.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), changeTime)
}

// fail logs the cause of an error, and returns the one for the person.
func (p *Passkeys) fail(ctx context.Context, told plainError, cause error) error {
	var detailed *protocol.Error
	if errors.As(cause, &detailed) && detailed.DevInfo != "" {
		cause = fmt.Errorf("%w: %s", cause, detailed.DevInfo)
	}
	p.cfg.Logger.WarnContext(ctx, "Passkey refused", "told", string(told), "error", cause)
	return told
}
