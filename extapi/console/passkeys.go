package console

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

// Passkeys know people by keys on their own devices (WebAuthn). A browser is named
// by a text that nobody else knows, at most 64 bytes of ASCII: what was begun there
// ends there, once, and soon. Beginning something else replaces it. Options and
// answers are JSON as PublicKeyCredential.toJSON has it, with bytes in base64url and
// without the member "publicKey" around them.
//
// Errors are for the person: they hold no secret, and tell what to do. Of anything
// that failed inside, implementations log the cause, and return a plain word.
// Implementations are safe for concurrent use.
type Passkeys interface {
	// BeginLogin returns the options of navigator.credentials.get for whoever is
	// there.
	BeginLogin(ctx context.Context, browser string) (options json.RawMessage, err error)

	// FinishLogin returns the person whose passkey has answered.
	FinishLogin(ctx context.Context, browser string, answer json.RawMessage) (person string, err error)

	// BeginVote returns the options of navigator.credentials.get for a vote: the
	// challenge is of the ticket, its hash, the person, the verdict and the comment.
	// The ballot has neither a way nor a proof. A person without a passkey is an
	// error.
	BeginVote(ctx context.Context, browser string, ballot approval.Ballot) (options json.RawMessage, err error)

	// FinishVote returns the ballot that was begun, with its way and its proof.
	FinishVote(ctx context.Context, browser string, answer json.RawMessage) (approval.Ballot, error)

	// BeginEnrol returns whom a one-time token is for, and the options of
	// navigator.credentials.create. The token is used up by FinishEnrol.
	BeginEnrol(ctx context.Context, browser, token string) (person string, options json.RawMessage, err error)

	// FinishEnrol keeps a new passkey, and returns whose it is. The label is what its
	// owner calls it, such as "laptop"; "" is none.
	FinishEnrol(ctx context.Context, browser, label string, answer json.RawMessage) (person string, err error)

	// List returns the passkeys of a person, the oldest first.
	List(ctx context.Context, person string) ([]Passkey, error)

	// Remove removes a passkey of a person, who asks for it.
	Remove(ctx context.Context, person, id string) error
}

// Passkey is one of a person's.
type Passkey struct {
	ID    string // base64url, without padding
	Label string // as its owner calls it; "" if not at all
	Added time.Time
	Used  time.Time // zero: not yet
}
