package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/approval"
)

// clocksApart is by how much the clocks of replicas may differ for what people did at
// several of them to be put in order.
const clocksApart = 5 * time.Second

// verifications are what checking several logs found.
type verifications struct {
	Sound     bool            `json:"sound"`
	Logs      []verification  `json:"logs"`
	Approvals *approvalsCheck `json:"approvals"`
}

// auditVerifyAll checks the logs of several replicas, each by itself, and what people
// approved over all of them: a ticket may be opened at one, voted on at the next and
// used at a third.
func (p *program) auditVerifyAll(c *cli.Context, options audit.VerifyOptions) error {
	if len(options.Checkpoints) > 0 {
		return usagef("audit verify: --checkpoint is of one log: check that one by itself; --checkpoint-key is for all")
	}
	if options.Start > 1 {
		return usagef("audit verify: --start is of one log: check that one by itself")
	}
	paths := c.Args().Slice()
	if same := slices.Compact(slices.Sorted(slices.Values(paths))); len(same) < len(paths) {
		return usagef("audit verify: a log is named twice")
	}
	all := verifications{Sound: true, Approvals: newApprovalsCheck(false)}
	all.Approvals.whole = true
	var (
		acts     []act
		failures []error
	)
	for i, path := range paths {
		approved := make(map[string]bool) // requests, until their outcome
		options.Entry = func(e audit.Entry) {
			if concernsPeople(e, approved) {
				acts = append(acts, newAct(i, e))
			}
		}
		found, err := p.verify(c.Context, path, options)
		if err != nil {
			return err
		}
		all.Logs = append(all.Logs, found.withDamage())
		all.Sound = all.Sound && found.Sound
		failures = append(failures, found.failure())
	}
	slices.SortStableFunc(acts, func(x, y act) int { return x.order.Compare(y.order) })
	for _, a := range acts {
		all.Approvals.of = paths[a.log]
		all.Approvals.add(a.entry)
	}
	failures = append(failures, all.Approvals.failure())
	failed := errors.Join(failures...)
	if c.Bool("json") {
		return errors.Join(p.printJSON(all), failed)
	}
	return errors.Join(p.printf("%s", all.text()), failed)
}

// text is the report for people.
func (v verifications) text() string {
	var b strings.Builder
	for _, log := range v.Logs {
		b.WriteString(log.text() + "\n")
	}
	if lines := v.Approvals.lines(); lines != "" {
		b.WriteString("All logs\n" + lines)
	}
	return b.String()
}

// act is what somebody did at one of several replicas.
type act struct {
	log   int // its number
	entry audit.Entry
	order time.Time
}

// newAct finds the place of an entry among those of other logs. What others rest on comes
// before them, and what rests on others after, also where the clocks are apart; the
// entries of each of the three sorts stay in their order.
func newAct(log int, e audit.Entry) act {
	order := e.Time
	switch {
	case e.Event == audit.EventTicket && e.State == string(approval.WhatOpened), e.Event == audit.EventCredential && e.State != credentialRemoved:
		order = order.Add(-clocksApart)
	case e.Event != audit.EventVote:
		order = order.Add(clocksApart)
	}
	return act{log, e, order}
}

// concernsPeople reports whether an entry is about what people approve. It keeps the
// requests that they approved and whose outcome is to come.
func concernsPeople(e audit.Entry, approved map[string]bool) bool {
	switch e.Event {
	case audit.EventTicket, audit.EventVote, audit.EventCredential:
		return true
	case audit.EventDecision:
		if e.Ticket != "" {
			approved[e.Request] = true
		}
		return e.Ticket != ""
	case audit.EventOutcome:
		was := approved[e.Request]
		delete(approved, e.Request)
		return was
	default:
		return false
	}
}
