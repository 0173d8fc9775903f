package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// publicError is an error whose text is fit for the caller.
type publicError string

// Error returns the text.
func (e publicError) Error() string { return string(e) }

// refuse returns an error whose text is fit for the caller.
func refuse(format string, args ...any) error { return publicError(fmt.Sprintf(format, args...)) }

// Errors that callers are told.
const (
	errUnknownAccount = publicError("unknown account")
	errInternal       = publicError("internal error")
	errCanceled       = publicError("request canceled")
	errTimeout        = publicError("the request timed out before anything was signed")
	errNotKept        = publicError("the transaction could not be kept, so that it was not sent: look at the signer's log")
	errEnded          = publicError("this request took too long, and another with its idempotency key ended it: nothing of it was sent, to send it anew use a new key")
	errUnreadable     = publicError("the signer can't use its records, and nothing was signed: try again later")
	errDoubt          = publicError("it is not known whether the transaction is under way: it may be sent later, look for it before trying again")
	errBlocked        = publicError("the signer's records can't be read: nothing of this account is sent until they can")
)

// signerError is what the signer said. It is passed on as it is.
type signerError struct{ error }

// Unwrap returns the signer's error.
func (e signerError) Unwrap() error { return e.error }

// recordsError is records that could not be read or changed before anything was signed. A
// cause that has a method Public() string is told to the caller in those words.
type recordsError struct{ error }

// Unwrap returns the cause.
func (e recordsError) Unwrap() error { return e.error }

// spentError is an error after which an idempotency key stays as it is: something
// was signed for it, or may have been.
type spentError struct{ error }

// Unwrap returns the cause.
func (e spentError) Unwrap() error { return e.error }

// codeBusy is the JSON-RPC code of a request that may be repeated later
// ("limit exceeded", EIP-1474).
const codeBusy = -32005

// busyError asks the caller to come back later. It implements rpc.Error and
// rpc.DataError.
type busyError struct {
	text  string
	after time.Duration
}

// Error returns the text with the time to wait.
func (e *busyError) Error() string { return fmt.Sprintf("%s: retry after %d s", e.text, e.seconds()) }

// ErrorCode returns the JSON-RPC code.
func (e *busyError) ErrorCode() int { return codeBusy }

// ErrorData returns the time to wait, for programs.
func (e *busyError) ErrorData() any { return retry{After: e.seconds()} }

// retry is the data of a busyError.
type retry struct {
	After   int    `json:"retryAfterSeconds"`
	Request string `json:"request,omitempty"`
}

// WithRequest is the data with the id of the request, for the proxy.
func (r retry) WithRequest(id string) any {
	r.Request = id
	return r
}

func (e *busyError) seconds() int { return max(1, int(math.Ceil(e.after.Seconds()))) }

// nodeError is what the node said, as it said it. It implements rpc.Error and
// rpc.DataError.
type nodeError struct {
	code int
	text string
	data json.RawMessage // nil: none
}

// Error returns the node's text.
func (e *nodeError) Error() string { return e.text }

// ErrorCode returns the node's code.
func (e *nodeError) ErrorCode() int { return e.code }

// ErrorData returns the node's data.
func (e *nodeError) ErrorData() any {
	if e.data == nil {
		return nil
	}
	return e.data
}

// Bounds of what is kept of a node's error, in bytes, and of what is remembered of it
// for each transaction under way.
const (
	keptText  = 1 << 10
	keptData  = 4 << 10
	briefText = 256
)

// refusal is the error as it is kept and shown. Data that is long is left out.
func (e *nodeError) refusal() *Refusal {
	kept := &Refusal{Code: e.code, Text: clip(e.text, keptText)}
	if len(e.data) <= keptData {
		kept.Data = string(e.data)
	}
	return kept
}

// brief is the error as it is remembered, without its data.
func (e *nodeError) brief() *Refusal {
	return &Refusal{Code: e.code, Text: strings.Clone(clip(e.text, briefText))}
}

// err is the refusal as the caller is told it.
func (r *Refusal) err() error {
	told := &nodeError{code: r.Code, text: r.Text}
	if r.Data != "" {
		told.data = json.RawMessage(r.Data)
	}
	return told
}

// faultError is a node that gave no answer, or none that can be read. Its text
// never quotes what a URL may be part of.
type faultError struct{ text string }

// Error returns the text.
func (e *faultError) Error() string { return "the node " + e.text }

// told returns what the caller is told of an error. What it does not know is
// internal, and in the log.
func (o *Outbox) told(ctx context.Context, err error) error {
	var (
		signer signerError
		public publicError
		busy   *busyError
		node   *nodeError
		fault  *faultError
		state  recordsError
		spent  spentError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &signer):
		return signer.error
	case errors.As(err, &public):
		return public
	case errors.As(err, &busy):
		return busy
	case errors.As(err, &node):
		return node
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &state) && !errors.As(err, &spent) && ctx.Err() == nil:
		o.log.ErrorContext(ctx, "Transaction not sent: the records can't be used", "error", err)
		var known interface{ Public() string }
		if errors.As(state.error, &known) {
			return publicError(known.Public())
		}
		return errUnreadable
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.Is(err, context.Canceled):
		return errCanceled
	default:
		o.log.ErrorContext(ctx, "Transaction not sent", "error", err)
		return errInternal
	}
}
