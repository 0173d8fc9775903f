// Package rulestest tries rules on requests, a rule file or another [Subject]:
// what they would decide, and whether that is what was expected.
//
// A request takes the way that it takes in a signer, through the decoder of
// the external API and the decision engine. Nothing else is real: storage is
// in memory, the accounts are those that the case names, and what is signed
// for OnApprovedTx is signed by a key that is thrown away. The package never
// reaches a vault, a node or a data directory, and no signature leaves it.
package rulestest

import (
	"encoding/json"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// The verdicts of a step: those of rules, and what may become of a request
// that rules don't see or whose approval doesn't stand.
const (
	Approve   = "approve"
	Reject    = "reject"
	Refer     = "refer"     // to a person; refused where nobody is asked
	Undecided = "undecided" // the decision failed, such as on the storage's bounds
	Withheld  = "withheld"  // approved, but OnApprovedTx failed
	Refused   = "refused"   // before it was put to rules
	Unasked   = "unasked"   // answered without rules, as account_version is
)

func verdicts() []string {
	return []string{Approve, Reject, Refer, Withheld, Refused, Undecided, Unasked}
}

// Case is a sequence of requests on one storage, and what is expected.
type Case struct {
	Name     string          // the case's, for people; "": none
	ChainIDs []uint64        // the chains that the signer signs for; empty: the one that a request names, else 1
	Advanced bool            // as serve --advanced
	Accounts []rules.Account // those of the signer; nil: whichever a request names
	Storage  map[string]string
	Steps    []Step
}

// Step is one request.
type Step struct {
	Request   Request
	Caller    rules.Caller
	Principal string    // who asks; "": as the listener says it
	Time      time.Time // what the rules' clock says; zero: now
	People    string    // what they answer, PeopleApprove or PeopleReject; "": nothing, until another step says it
	Expect    Expect
}

// Request is a JSON-RPC request. Its parameters are as they go over the wire.
type Request struct {
	Method string
	Params json.RawMessage // nil: none
}

// Expect is what must become of a request.
type Expect struct {
	Given   bool   // whether anything was expected; if not, an approval is
	Verdict string // one of the constants
	Rule    string // the rule's name, or what follows the colon in it; "": any
	Reason  string // a part of it

	Explanation []string // parts of it

	// Console are parts of lines in the order in which they must be printed;
	// others may stand between. Empty and not nil: nothing may be printed.
	Console []string

	Storage map[string]string // values after the step; "": the key is absent
	Listed  []common.Address  // what a listing shows, in order; nil: not checked
}
