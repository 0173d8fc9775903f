package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/console/passkey"
)

// castVote is a vote that counts.
type castVote struct{ approve, proved bool }

// errElsewhere is that a passkey was not added in the part of the log that is checked.
var errElsewhere = errors.New("the passkey was added in older entries")

// credential learns whose a passkey is. That it was added before the log is only taken
// where the log begins: else whoever can write to the store could bring one in.
func (c *approvalsCheck) credential(e audit.Entry) {
	key := e.Approver + " " + e.Credential
	switch e.State {
	case credentialAdded:
		c.begun = true
		c.keys[key] = e.PublicKey
	case credentialRemoved:
		c.begun = true
		delete(c.keys, key)
	case credentialKept:
		switch known, there := c.keys[key]; {
		case there && known == e.PublicKey:
		case there || (c.begun && !c.partial):
			c.fault(e, "a passkey of %s that is said to be older than the log, which does not know it", shown(e.Approver))
		default:
			c.Kept++
			c.keys[key] = e.PublicKey
		}
	}
}

// vote takes in a vote that counts, or one that does not after all. Who votes twice was
// cut short by a crash the first time, and has one vote.
func (c *approvalsCheck) vote(e audit.Entry) {
	t := c.tickets[e.Ticket]
	if e.Error != "" {
		if t != nil && strings.HasPrefix(e.Error, "keeping the vote") {
			c.takeBack(t, e.Approver)
		}
		return
	}
	c.Votes++
	cast := castVote{approve: e.Vote == "approve"}
	if e.Way == passkey.Way {
		switch err := c.prove(e); {
		case errors.Is(err, errElsewhere):
			c.Unchecked++
		case err != nil:
			c.fault(e, "the vote of %s on ticket %s is not proved: %v", shown(e.Approver), shown(e.Ticket), err)
		default:
			c.Proved++
			cast.proved = true
		}
	}
	switch {
	case t == nil && c.partial:
	case t == nil:
		c.fault(e, "a vote on ticket %s, which was not opened, or has ended", shown(e.Ticket))
	case t.opened.TicketHash != e.TicketHash:
		c.fault(e, "%s voted on another content of ticket %s than was opened", shown(e.Approver), shown(e.Ticket))
	default:
		c.takeBack(t, e.Approver)
		t.votes[e.Approver] = cast
	}
}

// takeBack removes a vote, if there is one.
func (c *approvalsCheck) takeBack(t *ticketSoFar, approver string) {
	cast, there := t.votes[approver]
	if !there {
		return
	}
	delete(t.votes, approver)
	c.Votes--
	if cast.proved {
		c.Proved--
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
		return errElsewhere
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
