package rules

import "github.com/ethereum/go-ethereum/common"

// Verdict is an answer to a request. The zero verdict decides nothing, and
// what nothing decides is refused.
type Verdict uint8

// The verdicts.
const (
	Undecided Verdict = iota
	Approve
	Reject
	Refer // to a person
)

// String returns the verdict's name as logs spell it.
func (v Verdict) String() string {
	switch v {
	case Approve:
		return "approve"
	case Reject:
		return "reject"
	case Refer:
		return "refer"
	default:
		return "undecided"
	}
}

// Decision is a verdict with who gave it and why.
type Decision struct {
	Verdict Verdict
	Rule    string // the rule that decided, such as "approve-all"
	Reason  string // for the operator and, when refused, for the caller; no secrets

	// Charges are what an approval counts against limits: all of them are held
	// before anything is signed, or the request is refused.
	Charges []Charge

	// Listed are the accounts that an approved listing shows; nil is all of them.
	Listed []common.Address

	held *held // by the engine, until the decision is settled
}

// Outcome is what became of an approved request. The zero outcome is unknown:
// a signature may exist.
type Outcome uint8

// The outcomes.
const (
	Unknown   Outcome = iota
	Signed            // a signature was made and verified
	NotSigned         // it is certain that no signature was made
)

// String returns the outcome's name as logs spell it.
func (o Outcome) String() string {
	switch o {
	case Signed:
		return "signed"
	case NotSigned:
		return "not signed"
	default:
		return "unknown"
	}
}

// Result is what became of an approved request, with the signature if one was
// made. The zero result is the unknown outcome.
type Result struct {
	Outcome   Outcome
	Signature [65]byte // r‖s‖yparity, verified, if Outcome is Signed and the kind signs
}
