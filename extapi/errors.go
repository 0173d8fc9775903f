package extapi

import (
	"errors"

	"github.com/kvclef/kvclef/rules"
)

// Errors of the API, in the words that Clef's clients know. JSON-RPC code
// -32000 and the text alone, unless the error has a code of its own.
var (
	errDenied         = errors.New("request denied")
	errUnknownAccount = errors.New("unknown account")
)

// deniedBy returns the error of a refused request. Clef's text comes first.
// A signer without rules says so; the reasons of rules stay in the log, so
// that callers can't probe them.
func deniedBy(decision rules.Decision) error {
	if decision.Rule == rules.RuleNoRules {
		return publicError("request denied: " + decision.Reason)
	}
	return errDenied
}

// publicError is an error whose text is fit for the caller.
type publicError string

// Error returns the text.
func (e publicError) Error() string { return string(e) }
