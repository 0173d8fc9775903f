package extapi

import "errors"

// unclearError is an error after which a signature may have been made, although
// none was released: the vault did not answer, or the outcome could not be recorded.
type unclearError struct{ error }

// Unwrap returns the cause.
func (e unclearError) Unwrap() error { return e.error }

// MayBeSigned is always true.
func (unclearError) MayBeSigned() bool { return true }

// ErrorCode returns the JSON-RPC code of the cause.
func (e unclearError) ErrorCode() int { return codeOf(e.error) }

// ErrorData returns the data of the cause, nil if it has none.
func (e unclearError) ErrorData() any {
	var of interface{ ErrorData() any }
	if errors.As(e.error, &of) {
		return of.ErrorData()
	}
	return nil
}

// unclearBusyError is one that has a code and data of its own.
type unclearBusyError struct{ *busyError }

// Unwrap returns the cause.
func (e unclearBusyError) Unwrap() error { return e.busyError }

// MayBeSigned is always true.
func (unclearBusyError) MayBeSigned() bool { return true }

// unclearIf marks what a caller is told of an unclear error, for those that ask
// through [Signatory]. On the wire it is the same.
func unclearIf(err, told error) error {
	var (
		unclear unclearError
		busy    *busyError
	)
	switch {
	case told == nil || !errors.As(err, &unclear):
		return told
	case errors.As(told, &busy):
		return unclearBusyError{busy}
	default:
		return unclearError{told}
	}
}
