package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/rules"
)

// maxUnproved bounds the faults that a report lists.
const maxUnproved = 100

// approvalsCheck finds whether those who approved can be shown to have done so: votes
// by passkey are checked against the keys that were enrolled before, and what was
// approved by people against the votes that were counted before.
type approvalsCheck struct {
	Votes    int      `json:"votes"`    // that count
	Proved   int      `json:"proved"`   // of those, by a passkey
	Approved int      `json:"approved"` // decisions that people approved
	Unproved []string `json:"unproved,omitempty"`

	partial bool // older segments are kept elsewhere
	faults  int
	keys    map[string]string // public keys by person and id
	tickets map[string]*votesOf
}

// votesOf are the votes that count of a ticket.
type votesOf struct {
	hash      string
	wanted    int // approvals at least; 0: not known
	approvers []string
	rejected  bool
}

func newApprovalsCheck(partial bool) *approvalsCheck {
	return &approvalsCheck{partial: partial, keys: make(map[string]string), tickets: make(map[string]*votesOf)}
}

// add looks at the next entry.
func (c *approvalsCheck) add(e audit.Entry) {
	switch e.Event {
	case audit.EventCredential:
		c.credential(e)
	case audit.EventTicket:
		c.ticket(e)
	case audit.EventVote:
		c.vote(e)
	case audit.EventDecision:
		if e.Ticket != "" && e.Verdict == rules.Approve.String() {
			c.decision(e)
		}
	}
}

func (c *approvalsCheck) fault(e audit.Entry, format string, args ...any) {
	if c.faults++; len(c.Unproved) < maxUnproved {
		c.Unproved = append(c.Unproved, fmt.Sprintf("entry %d: ", e.Seq)+fmt.Sprintf(format, args...))
	}
}

// The states of a credential's entry.
const (
	credentialAdded   = "added"
	credentialRemoved = "removed"
)

func (c *approvalsCheck) credential(e audit.Entry) {
	key := e.Approver + " " + e.Credential
	switch e.State {
	case credentialAdded:
		c.keys[key] = e.PublicKey
	case credentialRemoved:
		delete(c.keys, key)
	}
}

// oneOf finds the thresholds in a text such as "2 of finance and 1 of board".
var oneOf = regexp.MustCompile(`(?:^| and )(\d+) of `)

func (c *approvalsCheck) ticket(e audit.Entry) {
	switch e.State {
	case "opened":
		t := &votesOf{hash: e.TicketHash}
		for _, found := range oneOf.FindAllStringSubmatch(e.Quorum, -1) {
			if n, err := strconv.Atoi(found[1]); err == nil {
				t.wanted = max(t.wanted, n)
			}
		}
		c.tickets[e.Ticket] = t
	case "rejected", "expired", "lapsed":
		delete(c.tickets, e.Ticket)
	}
}

func (c *approvalsCheck) vote(e audit.Entry) {
	t := c.tickets[e.Ticket]
	if e.Error != "" { // it does not count, or what was recorded before does not
		if t != nil && strings.HasPrefix(e.Error, "keeping the vote") {
			t.approvers = slices.DeleteFunc(t.approvers, func(name string) bool { return name == e.Approver })
		}
		return
	}
	c.Votes++
	if e.Way == passkey.Way {
		if err := c.prove(e); err != nil {
			c.fault(e, "the vote of %s on ticket %s is not proved: %v", shown(e.Approver), shown(e.Ticket), err)
		} else {
			c.Proved++
		}
	}
	switch {
	case t == nil && !c.partial:
		c.fault(e, "a vote on ticket %s, which was not opened, or has ended", shown(e.Ticket))
	case t == nil:
	case t.hash != e.TicketHash:
		c.fault(e, "%s voted on another content of ticket %s than was opened", shown(e.Approver), shown(e.Ticket))
	case e.Vote != "approve":
		t.rejected = true
	case slices.Contains(t.approvers, e.Approver):
		c.fault(e, "a second vote of %s on ticket %s counts", shown(e.Approver), shown(e.Ticket))
	default:
		t.approvers = append(t.approvers, e.Approver)
	}
}

// prove checks the proof of a vote.
func (c *approvalsCheck) prove(e audit.Entry) error {
	proof, err := passkey.ParseProof([]byte(e.Proof))
	if err != nil {
		return err
	}
	text, known := c.keys[e.Approver+" "+proof.Credential]
	switch {
	case !known && c.partial:
		return errors.New("the passkey was not added in this part of the log: check all of it")
	case !known:
		return errors.New("the passkey was not added before, or was removed")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	hash, err := hexutil.Decode(e.TicketHash)
	if err != nil || len(hash) != common.HashLength {
		return errors.New("the hash of the ticket is none")
	}
	return passkey.Verify([]byte(e.Proof), key, passkey.Claim{
		Ticket: e.Ticket, Hash: common.Hash(hash), Person: e.Approver, Approve: e.Vote == "approve", Comment: e.Comment,
	})
}

func (c *approvalsCheck) decision(e audit.Entry) {
	c.Approved++
	t := c.tickets[e.Ticket]
	switch {
	case t == nil && c.partial:
	case t == nil:
		c.fault(e, "approved by ticket %s, which was not opened, or has ended", shown(e.Ticket))
	case t.rejected:
		c.fault(e, "approved by ticket %s, which was rejected", shown(e.Ticket))
	case len(t.approvers) == 0 || len(t.approvers) < t.wanted:
		c.fault(e, "approved by ticket %s with %d of %d votes", shown(e.Ticket), len(t.approvers), t.wanted)
	}
}

// failure says how many faults there are, nil if none.
func (c *approvalsCheck) failure() error {
	if c.faults == 0 {
		return nil
	}
	return fmt.Errorf("%s about approvals: %s", counted(c.faults, "fault"), c.Unproved[0])
}

// text is what is found, "" if nobody was asked.
func (c *approvalsCheck) text() string {
	if c.Votes == 0 && c.Approved == 0 && c.faults == 0 {
		return ""
	}
	return fmt.Sprintf("%s, of which %d proved by passkeys; people approved %s", counted(c.Votes, "vote"), c.Proved, counted(c.Approved, "request"))
}
