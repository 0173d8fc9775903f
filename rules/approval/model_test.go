package approval_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// faultyRecords fail when they are told to, before or after they have changed
// something.
type faultyRecords struct {
	*memory.Records
	before, after bool
}

func (r *faultyRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	switch {
	case r.before:
		return errBoom
	case r.after:
		return errors.Join(errBoom, r.Records.ChangeRecords(ctx, changes...))
	default:
		return r.Records.ChangeRecords(ctx, changes...)
	}
}

// modelled is what a test knows of one request and its tickets.
type modelled struct {
	req       *rules.Request
	hold      rules.Hold // of an approval that is in use; nil: none
	kept      bool
	ticket    string
	signed    map[string]int // signatures, by ticket
	mayHave   map[string]int // signatures that may have been made
	approvers map[string]map[string]bool
}

// TestModel does whatever may happen in whatever order, with records and a journal
// that fail now and then and with restarts, and checks that nothing is approved without
// its quorum, and no approval used twice.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) { model(t, rt, false) })
}

// TestModelOfReplicas does the same with two queues on one store, each of which does
// whatever is next.
func TestModelOfReplicas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) { model(t, rt, true) })
}

func model(t *testing.T, rt *rapid.T, replicas bool) {
	t.Helper()
	h := newHouse(t, nil)
	records := &faultyRecords{Records: h.records}
	change := func(cfg *approval.Config) {
		cfg.Records = records
		if replicas {
			cfg.Shared = records
		}
		cfg.Remember, cfg.Keep, cfg.MaxOpen, cfg.MaxPerCaller = 5*time.Minute, time.Hour, 3, 3
	}
	h.open(t, change)
	elsewhere := h.Queue
	if replicas {
		h.open(t, change)
	}
	charge := []rules.Charge{{Counter: "c", Limit: "daily", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: 24 * time.Hour}}
	all := make([]*modelled, 2)
	for i := range all {
		all[i] = &modelled{req: payment(int64(i)), signed: map[string]int{}, mayHave: map[string]int{}, approvers: map[string]map[string]bool{}}
	}
	decision := referral(finance())
	decision.Charges = charge
	rt.Repeat(map[string]func(*rapid.T){
		"fail": func(rt *rapid.T) {
			records.before, records.after = rapid.Bool().Draw(rt, "before"), rapid.Bool().Draw(rt, "after")
			h.journal.mu.Lock()
			h.journal.failing = rapid.SampledFrom([]approval.What{"", approval.WhatVote, approval.WhatOpened}).Draw(rt, "journal")
			h.journal.mu.Unlock()
		},
		"mend": func(*rapid.T) {
			records.before, records.after = false, false
			h.journal.mu.Lock()
			h.journal.failing = ""
			h.journal.mu.Unlock()
		},
		"ask": func(rt *rapid.T) {
			m := rapid.SampledFrom(all).Draw(rt, "request")
			m.ask(t, rt, h, decision)
		},
		"vote": func(rt *rapid.T) {
			m := rapid.SampledFrom(all).Draw(rt, "request")
			m.vote(t, rt, h, rapid.SampledFrom([]string{"alice", "bob", "carol", "dave"}).Draw(rt, "person"), rapid.IntRange(0, 5).Draw(rt, "verdict") > 0)
		},
		"keep": func(rt *rapid.T) {
			m := rapid.SampledFrom(all).Draw(rt, "request")
			if m.hold == nil || m.kept {
				return
			}
			if err := m.hold.Keep(t.Context()); err != nil {
				m.hold = nil
				return
			}
			if m.kept = true; m.signed[m.ticket]+m.mayHave[m.ticket] > 0 {
				rt.Fatalf("ticket %s is used twice", m.ticket)
			}
			if n := len(m.approvers[m.ticket]); n < 2 {
				rt.Fatalf("ticket %s is used with %d votes", m.ticket, n)
			}
		},
		"settle": func(rt *rapid.T) {
			m := rapid.SampledFrom(all).Draw(rt, "request")
			if m.hold == nil {
				return
			}
			if !m.kept {
				m.hold.Drop()
				m.hold = nil
				return
			}
			outcome := rapid.SampledFrom([]rules.Outcome{rules.Signed, rules.NotSigned, rules.Unknown}).Draw(rt, "outcome")
			_ = m.hold.Settle(t.Context(), m.req, rules.Result{Outcome: outcome}) // withholds, and the signature may exist
			switch outcome {
			case rules.Signed:
				m.signed[m.ticket]++
			case rules.Unknown:
				m.mayHave[m.ticket]++
			}
			m.hold, m.kept = nil, false
		},
		"wait": func(rt *rapid.T) {
			h.clock.pass(time.Duration(rapid.IntRange(0, 40).Draw(rt, "minutes")) * time.Minute)
			h.Sweep(t.Context())
		},
		"elsewhere": func(*rapid.T) {
			if replicas {
				h.Queue, elsewhere = elsewhere, h.Queue
			}
		},
		"restart": func(*rapid.T) {
			for _, m := range all { // what is in use may have been signed
				if m.kept {
					m.mayHave[m.ticket]++
				}
				m.hold, m.kept = nil, false
			}
			h.open(t, change)
		},
		"": func(rt *rapid.T) { h.check(rt) },
	})
}

// ask asks a request, as the engine does.
func (m *modelled) ask(t *testing.T, rt *rapid.T, h *house, decision rules.Decision) {
	t.Helper()
	if m.hold != nil {
		return
	}
	question, err := h.Asked(t.Context(), m.req, decision)
	if err != nil {
		rt.Fatal(err)
	}
	if question == nil {
		id, err := h.ledger.Hold(t.Context(), decision.Charges)
		if err != nil {
			return
		}
		if question, err = h.Ask(t.Context(), m.req, decision, id); err != nil {
			return
		}
	}
	got, hold, err := question.Await(t.Context())
	if (got.Verdict == rules.Approve && err == nil) != (hold != nil) {
		rt.Fatalf("%+v, %v, %v", got, hold, err)
	}
	m.hold, m.ticket = hold, got.Ticket
	if m.ticket != "" && m.approvers[m.ticket] == nil {
		m.approvers[m.ticket] = make(map[string]bool)
	}
}

// vote votes on the request's last ticket.
func (m *modelled) vote(t *testing.T, rt *rapid.T, h *house, person string, approve bool) {
	t.Helper()
	ticket, err := h.Ticket(m.ticket)
	if err != nil {
		return
	}
	after, err := h.Vote(t.Context(), approval.Ballot{Ticket: m.ticket, Hash: ticket.Hash, Person: person, Approve: approve, Way: "test"})
	if approve {
		// Where the store fails after it has written, a vote may count that was told not to.
		if err == nil || h.counts(t, m.ticket, person) {
			m.approvers[m.ticket][person] = true
		}
	}
	if err == nil && person == "dave" {
		rt.Fatalf("a stranger's vote counts: %+v", after)
	}
}

// counts reports whether a vote of a person is among those of a ticket, as it is stored.
func (h *house) counts(t *testing.T, id, person string) bool {
	t.Helper()
	value, err := h.records.Record(t.Context(), "ticket/"+id)
	return err == nil && containsText(value, fmt.Sprintf(`{"person":%q,"approve":true`, person))
}

func containsText(value []byte, text string) bool {
	for i := 0; i+len(text) <= len(value); i++ {
		if string(value[i:i+len(text)]) == text {
			return true
		}
	}
	return false
}

// check checks what always holds.
func (h *house) check(rt *rapid.T) {
	open := 0
	for _, ticket := range h.Tickets() {
		if ticket.State == approval.StateOpen {
			open++
		}
		seen := map[string]bool{}
		for _, vote := range ticket.Votes {
			if seen[vote.Person] {
				rt.Fatalf("%s voted twice on %s", vote.Person, ticket.Content.ID)
			}
			seen[vote.Person] = true
		}
		if ticket.State == approval.StateApproved && ticket.Missing()[0] > 0 {
			rt.Fatalf("%s is approved by %d", ticket.Content.ID, len(ticket.Votes))
		}
	}
	if open > 3 {
		rt.Fatalf("%d tickets are open", open)
	}
}
