package approval_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// blindRecords make a change or not, say that it failed, and can't be read until they
// are mended.
type blindRecords struct {
	rules.Records
	broken, makes bool
}

func (r *blindRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if !r.broken || r.makes {
		if err := r.Records.ChangeRecords(ctx, changes...); err != nil {
			return err
		}
	}
	if r.broken {
		return errBoom
	}
	return nil
}

func (r *blindRecords) Record(ctx context.Context, key string) ([]byte, error) {
	if r.broken {
		return nil, errBoom
	}
	return r.Records.Record(ctx, key)
}

// blind is a house with such records, where the ticket of a request that holds 8 waits.
func blind(t *testing.T) (*house, *blindRecords, string, rules.Decision) {
	t.Helper()
	h := newHouse(t, nil)
	records := &blindRecords{Records: h.records}
	h.open(t, func(c *approval.Config) { c.Records = records })
	decision := referral(finance())
	decision.Charges = []rules.Charge{daily(8, "s")}
	id := h.charged(t, payment(5), decision)
	return h, records, id, decision
}

// TestVoteThatNobodyKnows: whether a vote counts is found when the store can be read
// again, and what it decides happens then: once, as the journal says.
func TestVoteThatNobodyKnows(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		makes, approve bool
		want           []string
		state          approval.State
		used           uint64
	}{
		"a stored approval":  {true, true, []string{"opened", "vote", "vote", "approved"}, approval.StateApproved, 8},
		"a lost approval":    {false, true, []string{"opened", "vote", "vote", "vote!"}, approval.StateOpen, 8},
		"a stored rejection": {true, false, []string{"opened", "vote", "vote", "rejected"}, approval.StateRejected, 0},
		"a lost rejection":   {false, false, []string{"opened", "vote", "vote", "vote!"}, approval.StateOpen, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, records, id, _ := blind(t)
			if err := h.vote(t, id, "alice", true); err != nil {
				t.Fatal(err)
			}
			records.broken, records.makes = true, tt.makes
			if err := h.vote(t, id, "bob", tt.approve); err == nil {
				t.Fatal("counted by a store that fails")
			}
			records.broken = false
			// A stranger's vote changes nothing, and has the ticket read.
			_ = h.vote(t, id, "mallory", true)
			told := h.journal.told()
			if told = told[:len(told)-1]; !slices.Equal(told, tt.want) {
				t.Errorf("journal %v, want %v", told, tt.want)
			}
			if ticket := h.ticket(t, id); ticket.State != tt.state || h.used(t) != tt.used {
				t.Errorf("%s, and %d is used", ticket.State, h.used(t))
			}
		})
	}
}

// TestExpiryKeepsVotes: a ticket of which it is not known whether it is approved is not
// ended as if it were not.
func TestExpiryKeepsVotes(t *testing.T) {
	t.Parallel()
	h, records, id, _ := blind(t)
	if err := h.vote(t, id, "alice", true); err != nil {
		t.Fatal(err)
	}
	records.broken, records.makes = true, true
	_ = h.vote(t, id, "bob", true)
	records.broken = false
	h.clock.pass(30 * time.Minute)
	h.Sweep(t.Context())
	if ticket := h.ticket(t, id); len(ticket.Votes) != 2 || ticket.State == approval.StateExpired {
		t.Errorf("%s with %d votes", ticket.State, len(ticket.Votes))
	}
}

// TestRemovedInDoubt: a ticket is forgotten that was removed though the store said that
// it failed.
func TestRemovedInDoubt(t *testing.T) {
	t.Parallel()
	for _, makes := range []bool{true, false} {
		h, records, id, _ := blind(t)
		if err := h.vote(t, id, "bob", false); err != nil {
			t.Fatal(err)
		}
		h.clock.pass(8 * 24 * time.Hour)
		records.broken, records.makes = true, makes
		h.Sweep(t.Context())
		h.Sweep(t.Context())
		records.broken = false
		h.Sweep(t.Context())
		if left := h.Tickets(); len(left) != 0 {
			t.Errorf("removed %v: %d tickets are left", makes, len(left))
		}
	}
}

// TestOpenedInDoubt: a ticket that may be stored keeps what it holds, so that it is
// counted when it is there after the next start.
func TestOpenedInDoubt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	records := &blindRecords{Records: h.records, broken: true, makes: true}
	h.open(t, func(c *approval.Config) { c.Records = records })
	decision := referral(finance())
	decision.Charges = []rules.Charge{daily(8, "s")}
	id, err := h.ledger.Hold(t.Context(), decision.Charges)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ask(t.Context(), payment(5), decision, id); err == nil {
		t.Fatal("opened by a store that fails")
	}
	records.broken = false
	h.open(t, nil)
	tickets := h.Tickets()
	if len(tickets) != 1 || h.used(t) != 8 {
		t.Fatalf("%d tickets, and %d is used", len(tickets), h.used(t))
	}
	if err := h.vote(t, tickets[0].Content.ID, "bob", false); err != nil || h.used(t) != 0 {
		t.Errorf("%v, and %d is used", err, h.used(t))
	}
}

// TestUseInDoubt: an approval of which it is not known whether it is used signs nothing, and
// is there for another request when it is known, with what it holds: also where the use was
// stored, by which nothing was signed.
func TestUseInDoubt(t *testing.T) {
	t.Parallel()
	for _, makes := range []bool{true, false} {
		h, records, id, decision := blind(t)
		for _, person := range []string{"alice", "bob"} {
			if err := h.vote(t, id, person, true); err != nil {
				t.Fatal(err)
			}
		}
		_, hold := h.again(t, payment(5), decision)
		records.broken, records.makes = true, makes
		if err := hold.Keep(t.Context()); err == nil {
			t.Fatal("used without a store")
		}
		records.broken = false
		h.Sweep(t.Context())
		if state := h.ticket(t, id).State; state != approval.StateApproved || h.used(t) != 8 {
			t.Errorf("stored %v: %s, and %d is used", makes, state, h.used(t))
		}
		got, hold := h.again(t, payment(5), decision)
		if hold == nil {
			t.Fatalf("stored %v: %+v", makes, got)
		}
		if err := hold.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.Unknown}); err != nil {
			t.Fatal(err)
		}
		h.Sweep(t.Context())
		if got, hold := h.again(t, payment(5), decision); hold != nil || got.Verdict != rules.Reject || h.used(t) != 8 {
			t.Errorf("stored %v: used again: %+v, and %d is used", makes, got, h.used(t))
		}
	}
}

// stuckRecords say of a change that it failed, and make it; then they make none, and say so.
type stuckRecords struct {
	*blindRecords
	stuck bool
}

func (r *stuckRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if r.stuck {
		return errBoom
	}
	return r.blindRecords.ChangeRecords(ctx, changes...)
}

// boardPasses lets bob pass a limit of 1000 wei a day.
const boardPasses = `approvals:
  board: {threshold: 1, of: [bob], wait: 0s, expires: 3h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: small, effect: allow, match: {principal: [local], to: friends, plain: true}, over_limit: {approvals: board}, limits: [{id: day, measure: value, max: "1000 wei", window: 24h}]}
`

// TestUseTakenBack: a use that is stored, and by which nothing was signed, is taken back as
// soon as the store takes that, and what the ticket holds is given back in the end. Who asks
// meanwhile is not told that it was used.
func TestUseTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	records := &stuckRecords{blindRecords: &blindRecords{Records: h.records}}
	h.open(t, func(c *approval.Config) { c.Records = records })
	engine := h.loaded(t, boardPasses)
	id := decide(t, engine, payment(1800)).Ticket
	if err := h.vote(t, id, "bob", true); err != nil {
		t.Fatal(err)
	}
	records.broken, records.makes = true, true
	if got, err := engine.Decide(t.Context(), payment(1800)); !errors.Is(err, errBoom) {
		t.Fatalf("%+v, %v", got, err)
	}
	records.broken, records.stuck = false, true
	h.Sweep(t.Context())
	if state := h.ticket(t, id).State; state != approval.StateUsed {
		t.Fatalf("it is %s", state)
	}
	if got := decide(t, engine, payment(1800)); got.Verdict != rules.Refer || got.Ticket != id {
		t.Errorf("while the store fails: %+v", got)
	}
	records.stuck = false
	h.Sweep(t.Context())
	if state := h.ticket(t, id).State; state != approval.StateApproved {
		t.Errorf("it is %s", state)
	}
	h.clock.pass(11 * time.Minute)
	h.Sweep(t.Context())
	if usage, err := h.ledger.Usage(t.Context(), "day/value"); err != nil || !usage.Used.IsZero() {
		t.Errorf("%s are used of the limit, %v", usage.Used.Dec(), err)
	}
	if got := decide(t, engine, payment(10)); got.Verdict != rules.Approve {
		t.Errorf("10 wei of 1000: %+v", got)
	}
}

// TestUseOfAnotherProcess: a use of another process is not taken back, whatever became of
// one here.
func TestUseOfAnotherProcess(t *testing.T) {
	t.Parallel()
	h, records, id, decision := blind(t)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, id, person, true); err != nil {
			t.Fatal(err)
		}
	}
	_, hold := h.again(t, payment(5), decision)
	here := h.Queue
	h.open(t, nil) // another one
	_, other := h.again(t, payment(5), decision)
	records.broken = true
	if err := hold.Keep(t.Context()); err == nil {
		t.Fatal("used without a store")
	}
	if err := other.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	records.broken = false
	here.Sweep(t.Context())
	if ticket, err := here.Ticket(id); err != nil || ticket.State != approval.StateUsed {
		t.Errorf("%+v, %v", ticket, err)
	}
}

// TestOpenedOrNot: when the store can be read again, a ticket of which it was not known
// whether it is stored waits for people, or is forgotten and holds nothing. Until then
// nobody is told of it, and there is no second one.
func TestOpenedOrNot(t *testing.T) {
	t.Parallel()
	for _, makes := range []bool{true, false} {
		h := newHouse(t, nil)
		records := &blindRecords{Records: h.records, broken: true, makes: makes}
		h.open(t, func(c *approval.Config) { c.Records = records })
		decision := referral(finance())
		decision.Charges = []rules.Charge{daily(8, "s")}
		id, err := h.ledger.Hold(t.Context(), decision.Charges)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Ask(t.Context(), payment(5), decision, id); err == nil {
			t.Fatal("opened by a store that fails")
		}
		question, err := h.Asked(t.Context(), payment(5), decision)
		if err != nil || question == nil {
			t.Fatal(question, err)
		}
		if got, _, err := question.Await(t.Context()); err == nil || len(h.Tickets()) != 0 {
			t.Errorf("told of %+v", got)
		}
		records.broken = false
		h.Sweep(t.Context())
		if want := []string{"opened", "failed!"}; !makes && (!slices.Equal(h.journal.told(), want) || len(h.Tickets()) != 0 || h.used(t) != 0) {
			t.Errorf("not stored: %v, %d tickets, and %d is used", h.journal.told(), len(h.Tickets()), h.used(t))
		}
		if got, _ := h.again(t, payment(5), decision); makes && (got.Verdict != rules.Refer || h.used(t) != 8) {
			t.Errorf("stored: %+v, and %d is used", got, h.used(t))
		}
	}
}

// TestUseNotSettled: an approval by which certainly nothing was signed is there again as soon as
// the store takes that, also where it did not take it at once.
func TestUseNotSettled(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(*stuckRecords, bool){
		"refused":               func(r *stuckRecords, on bool) { r.stuck = on },
		"in doubt, stored":      func(r *stuckRecords, on bool) { r.broken, r.makes = on, true },
		"in doubt, not stored":  func(r *stuckRecords, on bool) { r.broken, r.makes = on, false },
		"nothing fails, at all": func(*stuckRecords, bool) {},
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shared %v", name, shared), func(t *testing.T) {
				t.Parallel()
				notSettled(t, fails, shared)
			})
		}
	}
}

// notSettled has the end of a use fail by which nothing was signed.
func notSettled(t *testing.T, fails func(*stuckRecords, bool), shared bool) {
	h := newHouse(t, nil)
	records := &stuckRecords{blindRecords: &blindRecords{Records: h.records}}
	h.open(t, func(c *approval.Config) {
		if c.Records = records; shared {
			c.Shared = h.records
		}
	})
	engine := h.loaded(t, boardPasses)
	id := decide(t, engine, payment(1800)).Ticket
	if err := h.vote(t, id, "bob", true); err != nil {
		t.Fatal(err)
	}
	got := decide(t, engine, payment(1800))
	if got.Verdict != rules.Approve {
		t.Fatalf("%+v", got)
	}
	fails(records, true)
	_ = engine.Settle(t.Context(), payment(1800), got, rules.Result{Outcome: rules.NotSigned})
	fails(records, false)
	for range 3 {
		h.Sweep(t.Context())
	}
	if state := h.ticket(t, id).State; state != approval.StateApproved {
		t.Errorf("it is %s", state)
	}
	got = decide(t, engine, payment(1800))
	if got.Verdict != rules.Approve || got.Ticket != id {
		t.Fatalf("%+v", got)
	}
	if err := engine.Settle(t.Context(), payment(1800), got, rules.Result{Outcome: rules.Unknown}); err != nil {
		t.Error(err)
	}
	for range 3 { // it may have been signed now: nothing is taken back
		h.Sweep(t.Context())
	}
	if got := decide(t, engine, payment(1800)); got.Verdict == rules.Approve && got.Ticket == id {
		t.Errorf("used twice: %+v", got)
	}
}

// TestVoidIsToldOnce: that a ticket has ended since the policy was changed while its use was in
// doubt is on record, and once.
func TestVoidIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"keep", "settle"} {
		for _, makes := range []bool{true, false} {
			var records *blindRecords
			h, id, hold := readyToUse(t, func(h *house, c *approval.Config) {
				records = &blindRecords{Records: h.records}
				c.Records = records
			})
			if end == "settle" {
				if err := hold.Keep(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.policy = after
			}
			records.broken, records.makes = true, makes
			var err error
			if end == "keep" {
				err = hold.Keep(t.Context())
			} else {
				err = hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.NotSigned})
			}
			if err == nil {
				t.Fatal("kept without a store")
			}
			h.policy = after
			_, _ = h.Void(t.Context(), before) // it can't be read now
			records.broken = false
			for range 3 {
				h.Sweep(t.Context())
			}
			told := 0
			for _, what := range h.journal.told() {
				if what == string(approval.WhatVoid) {
					told++
				}
			}
			if state := h.ticket(t, id).State; state != approval.StateVoid || told != 1 || h.used(t) != 0 {
				t.Errorf("%s, stored %v: %s, told %d times, and %d is used: %v", end, makes, state, told, h.used(t), h.journal.told())
			}
		}
	}
}
