package extapi

import "errors"

// requestError is an error that the caller can but ask the operator about: Clef's
// text and code, and the id of the request as data.
type requestError struct {
	error
	request string
}

// Unwrap returns the error.
func (e *requestError) Unwrap() error { return e.error }

// ErrorCode returns the JSON-RPC code.
func (*requestError) ErrorCode() int { return codeDefault }

// ErrorData returns the id that log, trace and audit log know the request by.
func (e *requestError) ErrorData() any { return map[string]string{"request": e.request} }

// withRequest gives an error for the wire the id of the request, where the cause is
// on the signer's side: what the caller sent, and what rules refuse, is told as it is.
func withRequest(told, err error, id string) error {
	var (
		busy    *busyError
		unclear unclearError
		public  interface{ Public() string }
	)
	switch {
	case errors.As(told, &busy):
		return &busyError{text: busy.text, after: busy.after, request: id}
	case errors.Is(told, errDenied), errors.Is(told, errUnknownAccount):
		return told
	case errors.Is(told, errInternal), errors.Is(told, errTimeout), errors.Is(told, errUnrecorded),
		told != nil && (errors.As(err, &unclear) || errors.As(err, &public)):
		return &requestError{told, id}
	default:
		return told
	}
}
