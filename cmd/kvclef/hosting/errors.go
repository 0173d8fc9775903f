package hosting

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/kvclef/kvclef/rules"
)

// Why something is not done. The text of an error that is one of these says it in
// full. After any other error the store or the process is at fault.
var (
	ErrInvalid    = errors.New("what was given can't be meant")
	ErrTooLarge   = errors.New("the document is too large")
	ErrNotFound   = errors.New("there is no such thing here")
	ErrInUse      = errors.New("it is in use")
	ErrNotStarted = errors.New("the service could not be started")
	ErrClosing    = errors.New("the process is being stopped")
)

// refusal is one of the reasons, with a text of its own.
type refusal struct {
	reason error
	text   error
}

// Error returns the text.
func (r *refusal) Error() string { return r.text.Error() }

// Unwrap returns the reason, and what the text wraps.
func (r *refusal) Unwrap() []error { return []error{r.reason, r.text} }

func refuse(reason error, format string, args ...any) error {
	return &refusal{reason, fmt.Errorf(format, args...)}
}

// statusOf returns the status that stands for an error.
func statusOf(err error) int {
	for _, is := range []struct {
		reason error
		status int
	}{
		{ErrInvalid, http.StatusBadRequest},
		{ErrTooLarge, http.StatusRequestEntityTooLarge},
		{ErrNotFound, http.StatusNotFound},
		{ErrInUse, http.StatusConflict},
		{ErrNotStarted, http.StatusUnprocessableEntity},
		{ErrClosing, http.StatusServiceUnavailable},
		{rules.ErrConflict, http.StatusConflict},
		{rules.ErrRecordsFull, http.StatusInsufficientStorage},
	} {
		if errors.Is(err, is.reason) {
			return is.status
		}
	}
	return http.StatusInternalServerError
}
