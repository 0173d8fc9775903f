package extapi

import "errors"

// requestError is an error that has no data of its own: the caller's text and code, and
// the id of the request as data.
type requestError struct {
	error
	request string
}

// Unwrap returns the error.
func (e *requestError) Unwrap() error { return e.error }

// ErrorCode returns the JSON-RPC code of the error.
func (e *requestError) ErrorCode() int { return codeOf(e.error) }

// ErrorData returns the id that log, trace and audit log know the request by.
func (e *requestError) ErrorData() any { return map[string]string{"request": e.request} }

// withRequest gives an error for the wire the id of the request, unless it has it.
// Clef's have no data; its clients look at code and text.
func withRequest(told error, id string) error {
	var (
		busy  *busyError
		named interface{ ErrorData() any }
	)
	switch {
	case errors.As(told, &busy):
		return &busyError{text: busy.text, after: busy.after, request: id}
	case told == nil, errors.As(told, &named):
		return told
	default:
		return &requestError{told, id}
	}
}
