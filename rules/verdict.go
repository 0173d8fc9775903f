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

// MaxExplanation bounds the explanation of a decision, in bytes.
const MaxExplanation = 4 << 10

// Decision is a verdict with who gave it and why.
type Decision struct {
	Verdict Verdict
	Rule    string // the rule that decided, such as "approve-all"
	Reason  string // for the operator and, when refused, for the caller; no secrets

	// Policy is the hash of the policy that was asked, zero if there is none.
	Policy common.Hash

	// Explanation says why, for the audit log alone: with amounts, totals and
	// addresses that a caller must not learn. At most [MaxExplanation] bytes.
	Explanation string

	// Charges are what an approval counts against limits: all of them are held
	// before anything is signed, or the request is refused.
	Charges []Charge

	// Quorums are the people who must approve what is referred, all of them; nil is
	// whom the approver asks where nobody is named.
	Quorums []*Quorum

	// Unnamed says that those whom the approver asks where nobody is named must approve
	// besides Quorums: the request was referred to nobody by name, and passes a limit.
	Unnamed bool

	// OverLimit are the people who may approve what would pass a limit that is not
	// firm; nil if nobody may. They are among Quorums only when one would be passed.
	OverLimit *Quorum

	// FileRefers says that the rule file that a rule hands over to has referred the request
	// itself: what people approve then is its answer, too. A file that has answered otherwise
	// is asked again when they have approved.
	FileRefers bool

	// Ticket names what is put to people, "" if nothing is.
	Ticket string

	// Repeats is an approval of the signature that an equal request has got a moment
	// ago, and of no other: what people approve is signed once, and nothing is held
	// for a second time.
	Repeats bool

	// Instead is what people would approve in the place of a transaction that is
	// refused; nil for all others.
	Instead *Substitute

	// Listed are the accounts that an approved listing shows; nil is all of them.
	Listed []common.Address

	// Reservation is what is held of limits and not durable yet: nothing is signed
	// before it is, in the record of the decision. It is nil if all is.
	Reservation *Reservation

	held *held // by the engine, until the decision is settled
}

// refused returns what a decision that does not stand leaves: who was asked.
func (d Decision) refused() Decision {
	return Decision{Rule: d.Rule, Policy: d.Policy, Explanation: d.Explanation}
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
