package extapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// Errors of the API, in the words that Clef's clients know. JSON-RPC code
// -32000 and the text alone, unless the error has a code of its own.
var (
	errDenied         = errors.New("request denied")
	errUnknownAccount = errors.New("unknown account")
	errTimeout        = errors.New("signing timed out: look at the signer's log before trying again")
	errCanceled       = errors.New("request canceled")
	errInternal       = errors.New("internal error")
)

// errUnrecorded is told when the audit log can't be written.
const errUnrecorded = publicError("request denied: the signer can't write its audit log, and without a record nothing is signed")

// judgedError is an error of a request that was put to the decider. Its place
// in the audit log is the decision or the outcome.
type judgedError struct{ error }

func (e judgedError) Unwrap() error { return e.error }

// codeBusy is the JSON-RPC code of a request that may be repeated later
// ("limit exceeded", EIP-1474).
const codeBusy = -32005

// JSON-RPC codes of op-signer, for its clients: of what can't be signed, whatever
// the cause, and of what may not be.
const (
	codeInvalidTransaction = -32010
	codeDeniedTransaction  = -32011
	codeInvalidPayload     = -32012
	codeDeniedPayload      = -32013
)

// codeDefault is the JSON-RPC code of an error that has none of its own.
const codeDefault = -32000

// codeNoMethod is the JSON-RPC code of a method that is not there.
const codeNoMethod = -32601

// loggedError bounds an error in the log, in bytes: a caller can put megabytes
// into some.
const loggedError = 512

// deniedBy returns the error of a refused request. Clef's text comes first.
// A signer without rules says so; the reasons of rules stay in the log, so
// that callers can't probe them. Of a policy they are told the rule.
func deniedBy(req *rules.Request, decision rules.Decision) error {
	switch {
	case decision.Instead != nil:
		return &insteadError{decision.Instead}
	case decision.Ticket != "":
		return &deniedError{rule: decision.Rule, request: req.ID, ticket: decision.Ticket, why: decision.Reason}
	case decision.Rule == rules.RuleNoRules:
		return refusedError("request denied: " + decision.Reason)
	case decision.Policy != common.Hash{}:
		return &deniedError{rule: decision.Rule, request: req.ID}
	default:
		return errDenied
	}
}

// refusedError is a refusal with a reason that the caller may know.
type refusedError string

// Error returns the text.
func (e refusedError) Error() string { return string(e) }

// Is makes it one of the refusals.
func (e refusedError) Is(target error) bool { return target == errDenied }

// deniedError is the refusal of a policy or of people: Clef's text, and as data
// what a caller needs to ask the operator about it. Of a ticket the caller is told
// what it waits for, or how it ended.
type deniedError struct {
	rule    string // "" if no rule matches
	request string // the id that the log and the audit log know the request by
	ticket  string // that people were asked by, "" if they were not
	why     string // of a ticket
}

// Error begins with Clef's text, and is no more than that without a ticket.
func (e *deniedError) Error() string {
	if e.ticket == "" {
		return errDenied.Error()
	}
	return errDenied.Error() + ": " + e.why
}

// Rule names the rule of a policy, "" if none matches.
func (e *deniedError) Rule() string { return e.rule }

// Ticket names what people were asked by, "" if they were not.
func (e *deniedError) Ticket() string { return e.ticket }

// Is makes it one of the refusals.
func (e *deniedError) Is(target error) bool { return target == errDenied }

// ErrorData is the data member of the JSON-RPC error.
func (e *deniedError) ErrorData() any {
	data := map[string]string{"request": e.request}
	if e.rule != "" {
		data["rule"] = e.rule
	}
	if e.ticket != "" {
		data["ticket"] = e.ticket
	}
	return data
}

// statelessError is a refusal for want of limits and the like, such as while a database is
// out of reach.
type statelessError struct{ request string }

// Error begins with Clef's text.
func (statelessError) Error() string {
	return "request denied: the signer can't use its state, and without it nothing is signed"
}

// Is makes it one of the refusals.
func (statelessError) Is(target error) bool { return target == errDenied }

// ErrorData is the data member of the JSON-RPC error.
func (e statelessError) ErrorData() any { return map[string]string{"request": e.request} }

// publicError is an error whose text is fit for the caller.
type publicError string

// Error returns the text.
func (e publicError) Error() string { return string(e) }

// refuse returns an error whose text is fit for the caller. Every error about
// what the caller sent is made with it; an error made otherwise reaches the
// caller as "internal error".
func refuse(format string, args ...any) error {
	return publicError(fmt.Sprintf(format, args...))
}

// busyError asks the caller to come back later. It implements rpc.Error and
// rpc.DataError.
type busyError struct {
	text    string
	after   time.Duration
	request string // the id that the log knows the request by, "" if there is none
}

// Error returns the text with the time to wait.
func (e *busyError) Error() string { return fmt.Sprintf("%s: retry after %d s", e.text, e.seconds()) }

// ErrorCode returns the JSON-RPC code.
func (e *busyError) ErrorCode() int { return codeBusy }

// ErrorData returns the time to wait, for programs.
func (e *busyError) ErrorData() any {
	data := map[string]any{"retryAfterSeconds": e.seconds(), "retry_after_ms": max(1, int64(math.Ceil(float64(e.after)/float64(time.Millisecond))))}
	if e.request != "" {
		data["request"] = e.request
	}
	return data
}

// seconds rounds the time to wait up, as the Retry-After header does.
func (e *busyError) seconds() int { return int(math.Ceil(e.after.Seconds())) }

// codedError is an error with a JSON-RPC code of its own. It implements rpc.Error
// and rpc.DataError.
type codedError struct {
	error
	code int
}

// Unwrap returns the error.
func (e *codedError) Unwrap() error { return e.error }

// ErrorCode returns the JSON-RPC code.
func (e *codedError) ErrorCode() int { return e.code }

// ErrorData returns the data of the error, nil if it has none.
func (e *codedError) ErrorData() any {
	var of interface{ ErrorData() any }
	if errors.As(e.error, &of) {
		return of.ErrorData()
	}
	return nil
}

// withCodes gives an error for the wire the codes of an API that has two of its
// own: one for what rules refuse and one for everything else, but for what may be
// repeated later.
func withCodes(err error, invalid, denied int) error {
	var busy *busyError
	switch {
	case err == nil, errors.As(err, &busy):
		return err
	case errors.Is(err, errDenied):
		return &codedError{err, denied}
	default:
		return &codedError{err, invalid}
	}
}

// onWire returns what the caller is told of an error. It is the one table from
// errors of the domain to codes and texts; what it doesn't know is internal.
func onWire(err error) error {
	var (
		public publicError
		told   interface{ Public() string }
		busy   interface{ RetryAfter() time.Duration }
		denied *deniedError
		reason refusedError
		state  statelessError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &denied):
		return denied
	case errors.As(err, &reason):
		return reason
	case errors.As(err, &state):
		return state
	case errors.Is(err, errDenied):
		return errDenied
	case errors.Is(err, errUnknownAccount):
		return errUnknownAccount
	case errors.As(err, &public):
		return public
	case errors.As(err, &busy) && busy.RetryAfter() > 0:
		text := "busy"
		if errors.As(err, &told) {
			text = told.Public()
		}
		return &busyError{text: text, after: busy.RetryAfter()}
	case errors.As(err, &told):
		return publicError(told.Public())
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.Is(err, context.Canceled):
		return errCanceled
	default:
		return errInternal
	}
}
