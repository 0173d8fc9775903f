package approval_test

import (
	"context"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// failingLedger gives nothing back when it is told to.
type failingLedger struct {
	*memory.Ledger
	failing bool
}

func (l *failingLedger) Release(ctx context.Context, id rules.HoldID) error {
	if l.failing {
		return errBoom
	}
	return l.Ledger.Release(ctx, id)
}

// daily is a charge of so many of ten a day, for one transaction.
func daily(amount uint64, slot string) rules.Charge {
	return rules.Charge{Counter: "c", Limit: "daily", Slot: slot, Amount: *uint256.NewInt(amount), Cap: *uint256.NewInt(10), Window: 24 * time.Hour}
}

// used is what counts against the limit.
func (h *house) used(t testing.TB) uint64 {
	t.Helper()
	usage, err := h.ledger.Usage(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return usage.Used.Uint64()
}

// charged asks with what it counts held, as the engine does.
func (h *house) charged(t testing.TB, req *rules.Request, decision rules.Decision) string {
	t.Helper()
	id, err := h.ledger.Hold(t.Context(), decision.Charges)
	if err != nil {
		t.Fatal(err)
	}
	question, err := h.Ask(t.Context(), req, decision, id)
	if err != nil {
		t.Fatal(err)
	}
	pending, _, err := question.Await(t.Context())
	if err != nil || pending.Ticket == "" {
		t.Fatal(pending, err)
	}
	return pending.Ticket
}

// TestGivenBackInTheEnd: what a rejected ticket holds is given back though the ledger
// failed at first, or the process ended before it was.
func TestGivenBackInTheEnd(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		h := newHouse(t, nil)
		ledger := &failingLedger{Ledger: h.ledger, failing: true}
		change := func(c *approval.Config) { c.Ledger = ledger }
		h.open(t, change)
		decision := referral(finance())
		decision.Charges = []rules.Charge{daily(8, "s")}
		id := h.charged(t, payment(5), decision)
		if err := h.vote(t, id, "bob", false); err != nil {
			t.Fatal(err)
		}
		if h.used(t) != 8 {
			t.Fatal("the ledger did not fail")
		}
		if restart {
			h.open(t, change)
		}
		h.Sweep(t.Context())
		ledger.failing = false
		h.Sweep(t.Context())
		if used := h.used(t); used != 0 {
			t.Errorf("restart %v: %d go on counting for a rejected request", restart, used)
		}
	}
}

// TestGivingBackEnds: what can never be given back is left to its window.
func TestGivingBackEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ledger := &failingLedger{Ledger: h.ledger, failing: true}
	h.open(t, func(c *approval.Config) { c.Ledger = ledger })
	decision := referral(finance())
	decision.Charges = []rules.Charge{daily(8, "s")}
	id := h.charged(t, payment(5), decision)
	if err := h.vote(t, id, "bob", false); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		h.Sweep(t.Context())
	}
	ledger.failing = false
	h.Sweep(t.Context())
	if used := h.used(t); used != 8 {
		t.Errorf("%d: it is tried for ever", used)
	}
}

// TestWindowsBeginWithTheUse: what people take hours to approve counts for a whole
// window from its signature on, and once.
func TestWindowsBeginWithTheUse(t *testing.T) {
	t.Parallel()
	for name, charges := range map[string][]rules.Charge{
		"of a transaction": {daily(8, "1/0x71/7")}, "of a message": {daily(8, "")}, "of both": {daily(5, "1/0x71/7"), daily(3, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			windowsBeginWithTheUse(t, charges)
		})
	}
}

func windowsBeginWithTheUse(t *testing.T, charges []rules.Charge) {
	h := newHouse(t, nil)
	slow := finance()
	slow.Expires = 48 * time.Hour
	decision := referral(slow)
	decision.Charges = charges
	id := h.charged(t, payment(5), decision)
	h.clock.pass(23 * time.Hour)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, id, person, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, outcome := range []rules.Outcome{rules.NotSigned, rules.NotSigned, rules.Signed} {
		got, hold := h.again(t, payment(5), decision)
		if got.Verdict != rules.Approve {
			t.Fatalf("%+v", got)
		}
		if err := hold.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if used := h.used(t); used != 8 {
			t.Errorf("%d are counted while it is used", used)
		}
		if err := hold.Settle(t.Context(), payment(5), rules.Result{Outcome: outcome}); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.pass(2 * time.Hour)
	if used := h.used(t); used != 8 {
		t.Errorf("%d count two hours after the signature", used)
	}
	h.clock.pass(22 * time.Hour)
	if used := h.used(t); used != 0 {
		t.Errorf("%d count a day after the signature", used)
	}
}

// TestUsesDoNotFillASlot: an approval that is used and not signed again and again holds
// one charge, as one that is used once.
func TestUsesDoNotFillASlot(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	decision := referral(finance())
	decision.Charges = []rules.Charge{daily(8, "s")}
	id := h.charged(t, payment(5), decision)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, id, person, true); err != nil {
			t.Fatal(err)
		}
	}
	for n := range rules.MaxInSlot + 10 {
		_, hold := h.again(t, payment(5), decision)
		if hold == nil {
			t.Fatal("no approval")
		}
		if err := hold.Keep(t.Context()); err != nil {
			t.Fatal(n, err)
		}
		if err := hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.NotSigned}); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.pass(10 * time.Minute)
	h.Sweep(t.Context())
	if used := h.used(t); used != 0 {
		t.Errorf("%d are held by a lapsed ticket", used)
	}
}

// TestWindowsThatPassMeanwhile: what is signed counts, also where the window of what was
// held passes at that moment, or has passed by the ledger's clock and not by that of the
// replica that uses it.
func TestWindowsThatPassMeanwhile(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct{ asked, used, behind time.Duration }{
		"at its end":     {asked: time.Second, used: 24 * time.Hour},
		"another behind": {used: 25 * time.Hour, behind: 2 * time.Hour},
		"another ahead":  {used: 23 * time.Hour, behind: -2 * time.Hour},
		"soon":           {used: time.Hour},
		"late":           {used: 47 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, other := newPair(t)
			other.clock = &clock{now: one.clock.Now().Add(-at.behind)}
			other.open(t, func(cfg *approval.Config) { cfg.Shared, cfg.Remember = one.records, 12*time.Hour })
			slow := finance()
			slow.Expires = 48 * time.Hour
			decision := referral(slow)
			decision.Charges = []rules.Charge{daily(8, "")}
			held, err := one.ledger.Hold(t.Context(), decision.Charges)
			if err != nil {
				t.Fatal(err)
			}
			one.clock.pass(at.asked)
			if _, err := one.Ask(t.Context(), payment(5), decision, held); err != nil {
				t.Fatal(err)
			}
			one.clock.pass(at.used - at.asked)
			other.clock.pass(at.used)
			if _, err := other.Asked(t.Context(), payment(5), decision); err != nil { // it reads it
				t.Fatal(err)
			}
			id := one.Tickets()[0].Content.ID
			for _, person := range []string{"alice", "bob"} {
				if err := other.vote(t, id, person, true); err != nil {
					t.Fatal(err)
				}
			}
			for _, outcome := range []rules.Outcome{rules.NotSigned, rules.Signed} {
				got, hold := other.again(t, payment(5), decision)
				if got.Verdict != rules.Approve {
					t.Fatalf("%+v", got)
				}
				if err := hold.Keep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if used := one.used(t); used != 8 {
					t.Errorf("%d are counted while it is used", used)
				}
				if err := hold.Settle(t.Context(), payment(5), rules.Result{Outcome: outcome}); err != nil {
					t.Fatal(err)
				}
				if used := one.used(t); used != 8 {
					t.Errorf("%d are counted when it is %v", used, outcome)
				}
			}
		})
	}
}
