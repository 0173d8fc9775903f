package rules

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
