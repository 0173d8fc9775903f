package keyvault

import (
	"time"

	"github.com/kvclef/kvclef/backend"
)

// Right says whether the identity may do something. The zero value: not known.
type Right uint8

// What is known about a right.
const (
	RightUnknown Right = iota
	RightGranted
	RightDenied
)

// String returns "unknown", "granted" or "denied".
func (r Right) String() string {
	switch r {
	case RightGranted:
		return "granted"
	case RightDenied:
		return "denied"
	default:
		return "unknown"
	}
}

// Report is what Check found out about a vault.
type Report struct {
	Vault      string
	URL        string
	ManagedHSM bool
	List       Right // to list the keys; not needed for keys named in the configuration
	Get        Right // to read keys
	Accounts   []AccountReport
	Skipped    []Skipped
	Warnings   []string // one line each, most urgent first
}

// AccountReport is one account with what Check found out about its key.
type AccountReport struct {
	Account  backend.Account
	Curve    string    // P-256K, or SECP256K1 for keys of the preview era
	Hardware bool      // in an HSM
	Created  time.Time // when the version was made
	Expires  time.Time // zero: never
	Sign     Right     // to sign with it
	Rotation bool      // a policy makes new versions by itself, each of them another address; false if it can't be read
}
