package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// approvalsJournal keeps the record of tickets and votes in the audit log.
type approvalsJournal struct {
	state *durable
}

// Record appends an event. Without an audit log nothing is approved.
func (j approvalsJournal) Record(ctx context.Context, event approval.Event) error {
	if j.state.audit == nil {
		return errors.New("there is no audit log")
	}
	return j.state.auditor().Append(ctx, ticketEntry(event))
}

// ticketEntry is the entry of an event.
func ticketEntry(event approval.Event) audit.Entry {
	entry := audit.Entry{Event: audit.EventTicket, State: string(event.What), Request: event.Request, Error: event.Error}
	if t := event.Ticket; t != nil {
		describeTicket(&entry, t)
	}
	if b := event.Ballot; b != nil {
		entry.Event, entry.State = audit.EventVote, ""
		entry.Ticket, entry.TicketHash = b.Ticket, b.Hash.Hex()
		entry.Approver, entry.Vote, entry.Comment, entry.Way, entry.Proof = b.Person, "reject", b.Comment, b.Way, string(b.Proof)
		if b.Approve {
			entry.Vote = "approve"
		}
	}
	return entry
}

// describeTicket says what a ticket is about, as far as finds it again: the request
// in full is in the entry of its decision.
func describeTicket(entry *audit.Entry, t *approval.Ticket) {
	c := &t.Content
	entry.Ticket, entry.TicketHash, entry.Rule, entry.Reason = c.ID, t.Hash.Hex(), c.Rule, c.Reason
	entry.Quorum = quorumText(c.Quorums)
	if entry.Request == "" {
		entry.Request = c.Request
	}
	if c.Policy != (common.Hash{}) {
		entry.Policy = c.Policy.Hex()
	}
	s, err := t.Subject()
	if err != nil {
		return // the ticket's hash is of it all the same
	}
	entry.Principal, entry.Transport, entry.Remote, entry.Method, entry.Kind = s.Principal, c.Transport, c.Remote, s.Method, s.Kind
	entry.Vault, entry.Key, entry.KeyVersion, entry.ChainID = s.Vault, s.Key, s.Version, s.ChainID
	if s.Account != (common.Address{}) {
		entry.Account = s.Account.Hex()
	}
	if s.Digest != (common.Hash{}) {
		entry.Digest = s.Digest.Hex()
	}
}

func quorumText(quorums []rules.Quorum) string {
	texts := make([]string, len(quorums))
	for i := range quorums {
		texts[i] = quorums[i].String()
	}
	return strings.Join(texts, " and ")
}

// Credential records that a passkey was added or removed.
func (j approvalsJournal) Credential(ctx context.Context, event passkey.Event) error {
	if j.state.audit == nil {
		return errors.New("there is no audit log")
	}
	return j.state.auditor().Append(ctx, credentialEntry(event))
}

// The states of a credential's entry.
const (
	credentialAdded   = "added"
	credentialRemoved = "removed"
	credentialKept    = "kept" // it was added before the log began
)

// credentialEntry is the entry of a passkey.
func credentialEntry(event passkey.Event) audit.Entry {
	state, note := credentialRemoved, fmt.Sprintf("for %s, by %s", event.RPID, event.By)
	switch {
	case event.Kept:
		state, note = credentialKept, "it was added before this log began"
	case event.Added:
		state = credentialAdded
	}
	return audit.Entry{
		Event: audit.EventCredential, State: state, Approver: event.Person, Credential: event.ID, PublicKey: event.PublicKey, Note: note,
	}
}
