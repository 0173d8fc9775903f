package backend

import (
	"errors"
	"time"
)

// ErrUnknownAccount reports an address that no configured vault holds.
var ErrUnknownAccount = errors.New("unknown account")

// Kind says what a failure means to the caller. The zero kind is a failure
// that nothing is known about.
type Kind uint8

// The kinds of failure.
const (
	KindUnknown     Kind = iota // nothing is known
	KindBusy                    // throttled or overloaded: try again later
	KindUnavailable             // the vault or its identity provider can't be reached
	KindForbidden               // the vault refuses: rights, firewall, disabled or expired key
	KindNotFound                // the key or its version is gone
	KindInvalid                 // the vault answered with something that is not a signature of the pinned key
	KindCanceled                // the caller gave up, or its deadline passed
)

// Error is a vault's failure. Message is fit for an operator and for the
// caller: it names the key and the vault, says what to do, and holds neither
// secrets nor payloads. The cause is for the log alone.
type Error struct {
	Kind       Kind
	Message    string
	RetryAfter time.Duration // how long to wait before trying again; 0 when unknown
	// NotSigned is true only when it is certain that no signature was made.
	// The zero value keeps a limit's hold counted.
	NotSigned bool
	// RequestID is what the vault calls the last request that failed: at most 64
	// visible ASCII characters, "" when it was not asked or did not answer.
	RequestID string
	Cause     error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
