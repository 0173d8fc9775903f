package approval

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// Config is what a queue needs. All members without a default must be set.
type Config struct {
	Records rules.Records
	Shared  rules.Shared // of the same store, where other processes ask people too; nil: none do
	Ledger  rules.Ledger // that the engine holds limits in; nil: there are no limits
	Journal Journal
	Logger  *slog.Logger

	// Default are the people who are asked where a decision names nobody; nil:
	// such requests are refused.
	Default *rules.Quorum

	// SamePerson tells whether a person may be who asks.
	SamePerson func(principal, transport, person string) bool

	// InForce is the hash of the policy in force, zero if there is none: a ticket of
	// another one is void. Nil is never asked. See [Queue.Void].
	InForce func() common.Hash

	// Shares tells that who waits for a ticket while an equal request uses it gets
	// the same signature.
	Shares bool

	Remember time.Duration // how long a resolution waits for an equal request; default 10 minutes
	Keep     time.Duration // how long an ended ticket is kept; default 7 days

	MaxOpen      int // tickets that wait for people; default 1,000
	MaxPerCaller int // of those, of one principal; default 250
	MaxKept      int // tickets that have ended; default 2,000

	Clock func() time.Time // default time.Now
}

// Journal keeps the record of what people were asked and did.
type Journal interface {
	// Record is durable when it returns nil.
	Record(ctx context.Context, event Event) error
}

// What an event of the journal tells. The zero one is none.
type What string

// The events.
const (
	WhatOpened   What = "opened"   // people are asked from now on
	WhatVote     What = "vote"     // a person has voted; with an error it does not count
	WhatApproved What = "approved" // enough have approved
	WhatRejected What = "rejected"
	WhatExpired  What = "expired"
	WhatLapsed   What = "lapsed"
	WhatVoid     What = "void"
	WhatFailed   What = "failed" // what was recorded before did not happen
)

// Event is one event of the journal.
type Event struct {
	What    What
	Ticket  *Ticket // as it was before; nil for a vote on a ticket that is not there
	Ballot  *Ballot // of a vote
	Request string  // of the request that was the cause; "" if none was
	Error   string  // why a vote does not count
}

// Bounds of tickets, in bytes.
const (
	maxContent   = 512 << 10 // of a ticket
	maxContents  = 128 << 20 // of all that wait for people; a quarter of it of one principal
	maxKept      = 64 << 20  // of all that have ended
	maxComment   = 1000
	maxProof     = 8 << 10
	maxUserAgent = 200
	maxName      = 256 // of a ticket, a person or a way, as it is given

	// maxVote is what a vote may add to a record: a character of a comment may
	// take six bytes.
	maxVote = maxProof + 6*maxComment + 2*6*maxName + 256
)

// complete fills in the defaults.
func (c *Config) complete() error {
	switch {
	case c.Records == nil || c.Journal == nil || c.Logger == nil || c.SamePerson == nil:
		return errors.New("approvals need records, a journal, a logger and to know who is who")
	case c.Default != nil:
		if err := checkQuorums([]rules.Quorum{*c.Default}); err != nil {
			return err
		}
	}
	for _, number := range []struct {
		value *int
		most  int
	}{{&c.MaxOpen, 1000}, {&c.MaxPerCaller, 250}, {&c.MaxKept, 2000}} {
		if *number.value == 0 {
			*number.value = number.most
		}
	}
	if c.Remember == 0 {
		c.Remember = 10 * time.Minute
	}
	if c.Keep == 0 {
		c.Keep = 7 * 24 * time.Hour
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return nil
}
