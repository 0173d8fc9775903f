package approval_test

import (
	"context"
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

// TestUseInDoubt: an approval of which it is not known whether it is used signs nothing
// any more; one that is used after all signs once.
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
		if got, hold := h.again(t, payment(5), decision); (hold == nil) != makes || makes && got.Verdict != rules.Reject {
			t.Errorf("stored %v: %+v", makes, got)
		}
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
