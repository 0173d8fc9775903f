package approval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// line is what a queue rests on: a store, a ledger and a journal, which do nothing for a
// context that has ended. The caller hangs up at one of their calls.
type line struct {
	*lying
	rules.Ledger
	*journal

	calls, at int
	hangUp    context.CancelFunc
}

func (l *line) call(ctx context.Context) error {
	if l.calls++; l.calls == l.at {
		l.hangUp()
	}
	return ctx.Err()
}

func (l *line) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if err := l.call(ctx); err != nil {
		return err
	}
	return l.lying.ChangeRecords(ctx, changes...)
}

func (l *line) Record(ctx context.Context, key string) ([]byte, error) {
	if err := l.call(ctx); err != nil {
		return nil, err
	}
	return l.Records.Record(ctx, key)
}

func (l *line) Release(ctx context.Context, id rules.HoldID) error {
	if err := l.call(ctx); err != nil {
		return err
	}
	return l.Ledger.Release(ctx, id)
}

// told is a journal on the line.
type told struct{ *line }

func (t told) Record(ctx context.Context, event approval.Event) error {
	if err := t.call(ctx); err != nil {
		return err
	}
	return t.journal.Record(ctx, event)
}

// leaving is a house whose caller hangs up.
type leaving struct {
	*house
	line     *line
	decision rules.Decision
	id       string // of the ticket
}

// newLeaving returns one where a request that holds 8 waits for people.
func newLeaving(t *testing.T, shared bool) *leaving {
	t.Helper()
	l := &leaving{house: newHouse(t, nil), decision: referral(finance())}
	l.line = &line{lying: &lying{Records: l.records}, Ledger: l.ledger, journal: l.journal}
	l.open(t, func(c *approval.Config) {
		c.Records, c.Ledger, c.Journal = l.line, l.line, told{l.line}
		if shared {
			c.Shared = l.records
		}
	})
	l.decision.Charges = []rules.Charge{daily(8, "s")}
	l.id = l.charged(t, payment(5), l.decision)
	return l
}

func (l *leaving) votes(ctx context.Context, person string, approve bool) error {
	_, err := l.Vote(ctx, approval.Ballot{Ticket: l.id, Hash: l.Tickets()[0].Hash, Person: person, Approve: approve, Way: "test"})
	return err
}

// asks asks another request that holds 2.
func (l *leaving) asks(ctx context.Context) error {
	decision := l.decision
	decision.Charges = []rules.Charge{daily(2, "other")}
	id, err := l.ledger.Hold(ctx, decision.Charges)
	if err != nil {
		return err
	}
	_, err = l.Ask(ctx, payment(6), decision, id)
	return err
}

// looks is what there is now.
func (l *leaving) looks(t *testing.T) string {
	t.Helper()
	usage, err := l.ledger.Usage(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, ticket := range l.Tickets() {
		states = append(states, fmt.Sprintf("%s with %d", ticket.State, len(ticket.Votes)))
	}
	return fmt.Sprintf("%s; %d counted, %d held; %s", strings.Join(states, ", "), usage.Used.Uint64(), usage.Held.Uint64(), strings.Join(l.journal.told(), " "))
}

// TestHangUp: whenever a caller or a voter hangs up, what was begun is done as if not:
// votes count, tickets end, and limits are given back.
func TestHangUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*testing.T, *leaving)
		act    func(context.Context, *leaving) error
		fails  bool
		want   string
	}{
		"asking": {
			act:  func(ctx context.Context, l *leaving) error { return l.asks(ctx) },
			want: "open with 0, open with 0; 10 counted, 10 held; opened opened",
		},
		"asking, not recorded": {
			before: func(_ *testing.T, l *leaving) { l.journal.failing = approval.WhatOpened },
			act:    func(ctx context.Context, l *leaving) error { return l.asks(ctx) },
			fails:  true, want: "open with 0; 8 counted, 8 held; opened",
		},
		"the first vote": {
			act:  func(ctx context.Context, l *leaving) error { return l.votes(ctx, "alice", true) },
			want: "open with 1; 8 counted, 8 held; opened vote",
		},
		"the last vote": {
			before: func(t *testing.T, l *leaving) { t.Helper(); _ = l.vote(t, l.id, "alice", true) },
			act:    func(ctx context.Context, l *leaving) error { return l.votes(ctx, "bob", true) },
			want:   "approved with 2; 8 counted, 8 held; opened vote vote approved",
		},
		"a vote, not recorded": {
			before: func(_ *testing.T, l *leaving) { l.journal.failing = approval.WhatVote },
			act:    func(ctx context.Context, l *leaving) error { return l.votes(ctx, "alice", true) },
			fails:  true, want: "open with 0; 8 counted, 8 held; opened",
		},
		"a vote that the store says it did not keep": {
			before: func(_ *testing.T, l *leaving) { l.line.lies, l.line.makes = true, true },
			act:    func(ctx context.Context, l *leaving) error { return l.votes(ctx, "alice", true) },
			want:   "open with 1; 8 counted, 8 held; opened vote",
		},
		"a rejection": {
			act:  func(ctx context.Context, l *leaving) error { return l.votes(ctx, "alice", false) },
			want: "rejected with 1; 0 counted, 0 held; opened vote rejected",
		},
		"the end": {
			before: func(_ *testing.T, l *leaving) { l.clock.pass(time.Hour) },
			act:    func(ctx context.Context, l *leaving) error { l.Sweep(ctx); return nil },
			want:   "expired with 0; 0 counted, 0 held; opened expired",
		},
		"the removal": {
			before: func(t *testing.T, l *leaving) {
				t.Helper()
				_ = l.vote(t, l.id, "alice", false)
				l.clock.pass(8 * 24 * time.Hour)
			},
			act:  func(ctx context.Context, l *leaving) error { l.Sweep(ctx); return nil },
			want: "; 0 counted, 0 held; opened vote rejected",
		},
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shared %v", name, shared), func(t *testing.T) {
				t.Parallel()
				for at, calls := 0, 1; at <= calls; at++ {
					l := newLeaving(t, shared)
					if test.before != nil {
						test.before(t, l)
					}
					ctx, cancel := context.WithCancel(t.Context())
					l.line.calls, l.line.at, l.line.hangUp = 0, at, cancel
					err := test.act(ctx, l)
					if at == 0 { // nobody hangs up
						calls = l.line.calls
					}
					l.line.at = 0
					cancel()
					if got := l.looks(t); got != test.want || test.fails != (err != nil) {
						t.Errorf("gone at call %d of %d: %s, %v; want %s", at, calls, got, err, test.want)
					}
				}
			})
		}
	}
}

// TestASlowStoreIsRead: a store that has taken all the time for a new ticket is asked
// whether it has it, with time of its own.
func TestASlowStoreIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.open(t, func(c *approval.Config) { c.Records = slow{h.records} })
		if _, err := h.Ask(t.Context(), payment(5), referral(finance()), 0); err != nil {
			t.Error(err)
		}
		if tickets := h.Tickets(); len(tickets) != 1 || tickets[0].State != approval.StateOpen {
			t.Errorf("%+v", tickets)
		}
	})
}

// slow are records that make a change, and take all the time for it.
type slow struct{ rules.Records }

func (s slow) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	err := s.Records.ChangeRecords(ctx, changes...)
	<-ctx.Done()
	return errors.Join(err, ctx.Err())
}
