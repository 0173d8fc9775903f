package main

import (
	"regexp"
	"strconv"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// ticketSoFar is what the log says of a ticket up to here.
type ticketSoFar struct {
	opened audit.Entry
	votes  map[string]castVote // that count, by person
	signed string              // the request that it was used for; "" if none was signed
}

// oneOf finds the thresholds in a text such as "2 of finance and 1 of board".
var oneOf = regexp.MustCompile(`(?:^| and )(\d+) of `)

// wanted is how many people must approve at least. Who is of which group is in the
// ticket, not in the log: somebody may count for several.
func (t *ticketSoFar) wanted() int {
	wanted := 1
	for _, found := range oneOf.FindAllStringSubmatch(t.opened.Quorum, -1) {
		if n, err := strconv.Atoi(found[1]); err == nil {
			wanted = max(wanted, n)
		}
	}
	return wanted
}

// ticket takes in that a ticket was opened, or has ended without being of use.
func (c *approvalsCheck) ticket(e audit.Entry) {
	switch approval.What(e.State) {
	case approval.WhatOpened:
		c.tickets[e.Ticket] = &ticketSoFar{opened: e, votes: make(map[string]castVote)}
	case approval.WhatRejected, approval.WhatExpired, approval.WhatLapsed, approval.WhatVoid, approval.WhatFailed:
		delete(c.tickets, e.Ticket)
	}
}

// decision checks that people have approved what is approved in their name.
func (c *approvalsCheck) decision(e audit.Entry) {
	c.Approved++
	t := c.tickets[e.Ticket]
	if t == nil {
		if c.partial {
			c.Unchecked++
			return
		}
		c.fault(e, "approved by ticket %s, which was not opened, or has ended", shown(e.Ticket))
		return
	}
	approved := 0
	for person, cast := range t.votes {
		if !cast.approve {
			c.fault(e, "approved by ticket %s, which %s has rejected", shown(e.Ticket), shown(person))
			return
		}
		approved++
	}
	if wanted := t.wanted(); approved < wanted {
		if c.oneOf { // people may have voted at another replica
			c.Unchecked++
			return
		}
		c.fault(e, "approved by ticket %s with %d of %d votes", shown(e.Ticket), approved, wanted)
		return
	}
	if what := t.differs(e); what != "" {
		c.fault(e, "ticket %s was about another %s", shown(e.Ticket), what)
		return
	}
	c.judged[e.Request] = t
}

// differs names what a decision has otherwise than its ticket; "" is nothing.
func (t *ticketSoFar) differs(e audit.Entry) string {
	for _, of := range []struct{ name, ticket, decision string }{
		{"digest", t.opened.Digest, e.Digest},
		{"account", t.opened.Account, e.Account},
		{"chain", t.opened.ChainID, e.ChainID},
		{"method", t.opened.Method, e.Method},
		{"caller", t.opened.Principal, e.Principal},
	} {
		if of.ticket != of.decision {
			return of.name
		}
	}
	return ""
}

// outcome checks that an approval was used for one signature. The same one may be given
// to an equal request again.
func (c *approvalsCheck) outcome(e audit.Entry) {
	t := c.judged[e.Request]
	if t == nil {
		return
	}
	delete(c.judged, e.Request)
	switch {
	case e.Outcome != rules.Signed.String() || e.Repeat:
	case t.signed != "":
		c.fault(e, "ticket %s was used for another signature before, of the request %s", shown(t.opened.Ticket), shown(t.signed))
	default:
		t.signed = e.Request
	}
}
