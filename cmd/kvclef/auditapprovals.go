package main

import (
	"fmt"
	"strings"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// maxUnproved bounds the faults that a report lists.
const maxUnproved = 100

// approvalsCheck finds whether those who approved can be shown to have done so: votes
// by passkey are checked against the keys that were added before, and what people
// approved against the tickets and the votes before.
type approvalsCheck struct {
	Votes     int      `json:"votes"`               // that count
	Proved    int      `json:"proved"`              // of those, by a passkey
	Kept      int      `json:"kept,omitempty"`      // passkeys that the log was told of when it began
	Approved  int      `json:"approved"`            // decisions that people approved
	Unchecked int      `json:"unchecked,omitempty"` // votes and decisions that rest on entries which are elsewhere
	Unproved  []string `json:"unproved,omitempty"`

	of      string // names the log in faults; "": there is one
	whole   bool   // the logs of all replicas are checked together
	partial bool   // some of it is kept elsewhere: older segments, or the logs of other replicas
	oneOf   bool   // it is the log of one of several replicas
	begun   bool   // the log has told of people
	faults  int
	keys    map[string]string       // public keys by person and id
	tickets map[string]*ticketSoFar // that have not ended in vain
	judged  map[string]*ticketSoFar // by the request that one of them approved, until its outcome
}

func newApprovalsCheck(partial bool) *approvalsCheck {
	return &approvalsCheck{
		partial: partial, keys: make(map[string]string), tickets: make(map[string]*ticketSoFar), judged: make(map[string]*ticketSoFar),
	}
}

// add looks at the next entry.
func (c *approvalsCheck) add(e audit.Entry) {
	if e.Replica != "" && !c.whole {
		c.partial, c.oneOf = true, true
	}
	switch e.Event {
	case audit.EventCredential:
		c.credential(e)
	case audit.EventTicket:
		c.begun = true
		c.ticket(e)
	case audit.EventVote:
		c.begun = true
		c.vote(e)
	case audit.EventDecision:
		if e.Ticket != "" && e.Verdict == rules.Approve.String() {
			c.decision(e)
		}
	case audit.EventOutcome:
		c.outcome(e)
	}
}

func (c *approvalsCheck) fault(e audit.Entry, format string, args ...any) {
	if c.faults++; len(c.Unproved) < maxUnproved {
		where := fmt.Sprintf("entry %d: ", e.Seq)
		if c.of != "" {
			where = fmt.Sprintf("%s, entry %d: ", c.of, e.Seq)
		}
		c.Unproved = append(c.Unproved, where+fmt.Sprintf(format, args...))
	}
}

// failure says how many faults there are, nil if none.
func (c *approvalsCheck) failure() error {
	if c.faults == 0 {
		return nil
	}
	return fmt.Errorf("%s about approvals: %s", counted(c.faults, "fault"), c.Unproved[0])
}

// lines are what is found for a report, none if nobody was asked or it is not told here.
func (c *approvalsCheck) lines() string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	if text := c.text(); text != "" {
		b.WriteString(reportLine("Approvals", text))
	}
	for _, fault := range c.Unproved {
		b.WriteString(reportLine("UNPROVED", fault))
	}
	return b.String()
}

// text is what is found, "" if nobody was asked.
func (c *approvalsCheck) text() string {
	if c.Votes == 0 && c.Approved == 0 && c.Unchecked == 0 && c.Kept == 0 && c.faults == 0 {
		return ""
	}
	parts := []string{
		fmt.Sprintf("%s, of which %d proved by passkeys", counted(c.Votes, "vote"), c.Proved), "people approved " + counted(c.Approved, "request"),
	}
	if c.Kept > 0 {
		parts = append(parts, counted(c.Kept, "passkey")+" from before this log")
	}
	if c.Unchecked > 0 {
		parts = append(parts, fmt.Sprintf("%d of these can be checked with the older entries, or the logs of other replicas, alone", c.Unchecked))
	}
	return strings.Join(parts, "; ")
}
