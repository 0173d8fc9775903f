// Package requestlog reads what was asked of a signer out of its audit log: the
// requests in full, in order, each with what was decided about it and what became
// of it.
//
// The package only reads. It checks the chain of the log as it goes, it never
// guesses what an entry does not have, and a request that does not come out of
// its entry exactly, digest and all, is counted and never passed on.
package requestlog

import (
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Entry is a request that was judged.
type Entry struct {
	Seq  uint64    // of the decision
	Time time.Time // of the decision, UTC; to the microsecond

	// Request is what was asked, as the rules saw it, but for the accounts that a
	// listing would show. The facts of it are those that were judged.
	Request *rules.Request

	Verdict rules.Verdict // Undecided if deciding failed
	Rule    string        // that decided
	Reason  string
	Policy  string // SHA-256 of the policy's file, 0x; "" if none was asked

	// Outcome is what became of an approved request. It is Unknown where a
	// signature may exist, where nothing was approved, and where the log does not
	// have it: then Settled is 0.
	Outcome  rules.Outcome
	Settled  uint64 // the number of the outcome's entry
	Released bool   // the caller got the signature
	Repeat   bool   // which was given before, to an equal request
}

// Summary is what was read.
type Summary struct {
	Entries     uint64 // of all events
	First, Last time.Time
	Requests    int // that were judged, and passed on
	Refused     int // that were refused before they were judged

	// Unread are those that were judged and are not passed on, by the reason.
	Unread map[string]Unread
}

// Unread are requests that can't be judged again, for one reason.
type Unread struct {
	Count int    `json:"count"`
	First uint64 `json:"first"` // the number of the first one's entry
}

// Total returns how many there are for all reasons.
func (s Summary) Total() int {
	total := 0
	for _, of := range s.Unread {
		total += of.Count
	}
	return total
}
