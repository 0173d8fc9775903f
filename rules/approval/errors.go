package approval

import (
	"errors"
	"fmt"
	"time"
)

// Why a vote does not count. Nothing was changed then.
var (
	ErrUnknown   = errors.New("there is no such ticket: it may be old, and removed")
	ErrStale     = errors.New("the ticket is not the one that was shown: look at it again")
	ErrVoid      = errors.New("the policy was changed since the request was made: it must be made again")
	ErrNotAsked  = errors.New("it is not among those who are asked")
	ErrRequester = errors.New("who asks can't approve it as well")
	ErrVoted     = errors.New("it has voted already, and a vote is final")
	ErrWithdrawn = errors.New("the passkey that has signed the vote was removed meanwhile")
)

// DecidedError is a vote on a ticket that is decided.
type DecidedError struct {
	State State
	Time  time.Time
}

// Error says what the ticket is.
func (e *DecidedError) Error() string {
	if e.State == StateVoid {
		return fmt.Sprintf("the ticket is void since %s: the policy was changed, and the request must be made again", e.Time.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the ticket is %s since %s", e.State, e.Time.UTC().Format(time.RFC3339))
}

// BusyError is a request that people are not asked about, since they are asked
// about too many already.
type BusyError struct{ text string }

// Error says what there is too much of.
func (e *BusyError) Error() string { return e.text }

// RetryAfter is how long the caller should wait.
func (*BusyError) RetryAfter() time.Duration { return time.Minute }

// errNotKept is for a vote that was recorded, and is not stored. What reads the
// journal knows it by how it begins.
var errNotKept = errors.New("keeping the vote: it is not stored")

// errNotStored is for a ticket that was to be opened.
var errNotStored = errors.New("it is not stored")

// errDoubt is for a ticket of which it is not known what the store has.
var errDoubt = errors.New("it is not known what has become of the ticket: look at the signer's log")
