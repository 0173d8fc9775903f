package approval_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// byPolicy is a referral by a policy, that counts one a day.
func byPolicy(policy common.Hash) rules.Decision {
	decision := referral(finance())
	decision.Policy, decision.Charges = policy, oneADay()
	return decision
}

// asks asks by the policy in force, with a hold of the limit.
func (h *house) asks(t *testing.T, wei int64) string {
	t.Helper()
	decision := byPolicy(h.policy)
	limits, err := h.ledger.Hold(t.Context(), decision.Charges)
	if err != nil {
		t.Fatal(err)
	}
	question, err := h.Ask(t.Context(), payment(wei), decision, limits)
	if err != nil {
		t.Fatal(err)
	}
	pending, _, err := question.Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pending.Ticket
}

func (h *house) approve(t *testing.T, id string) {
	t.Helper()
	if err := errors.Join(h.vote(t, id, "alice", true), h.vote(t, id, "bob", true)); err != nil {
		t.Fatal(err)
	}
}

// holds is what the tickets hold.
func (h *house) holds(t *testing.T) string {
	t.Helper()
	usage, err := h.ledger.Usage(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return usage.Used.Dec()
}

var before, after = common.Hash{1}, common.Hash{2}

// isVoid reports that a ticket has ended, void, for good.
func (h *house) isVoid(t *testing.T, id string) {
	t.Helper()
	var decided *approval.DecidedError
	if state := h.ticket(t, id).State; state != approval.StateVoid {
		t.Errorf("%s is %s", id, state)
	}
	if err := h.vote(t, id, "carol", true); !errors.As(err, &decided) || decided.State != approval.StateVoid {
		t.Errorf("a vote on %s: %v", id, err)
	}
}

// TestAReloadEndsTickets, approved or not, and they stay void when the policy goes back
// and over a restart. What they hold is given back, and the request is asked anew.
func TestAReloadEndsTickets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.policy = before
	waits, approved, other := h.asks(t, 1), h.asks(t, 2), h.ask(t, payment(3), referral(finance())).Content.ID
	h.approve(t, approved)
	h.policy = after
	if n, err := h.Void(t.Context(), before); n != 2 || err != nil || h.holds(t) != "0" {
		t.Fatalf("%d ended, %v, %s held", n, err, h.holds(t))
	}
	if told := h.journal.told(); !slices.Equal(told[len(told)-2:], []string{"void", "void"}) {
		t.Errorf("the journal says %v", told)
	}
	if ticket := h.ticket(t, other); ticket.State != approval.StateOpen || ticket.Void {
		t.Errorf("a ticket of no policy is %s", ticket.State)
	}
	for _, back := range []func(){func() { h.policy = before }, func() { h.open(t, nil) }} {
		back()
		h.Sweep(t.Context())
		h.isVoid(t, waits)
		h.isVoid(t, approved)
	}
	if decision, hold := h.again(t, payment(2), byPolicy(before)); decision.Ticket != "" || hold != nil {
		t.Errorf("an equal request finds %+v", decision)
	}
	if id := h.asks(t, 2); id == approved || h.ticket(t, id).State != approval.StateOpen {
		t.Errorf("it is not asked anew: %s", id)
	}
}

// TestWhoWaitsIsToldOfAVoidTicket at once.
func TestWhoWaitsIsToldOfAVoidTicket(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.policy = before
	question, err := h.Ask(t.Context(), payment(1), byPolicy(before), 0)
	if err != nil {
		t.Fatal(err)
	}
	h.policy = after
	if _, err := h.Void(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	decision, _, err := question.Await(t.Context())
	if want := "ticket " + decision.Ticket + " is void: the policy was changed since; make the request again"; err != nil || decision.Verdict != rules.Reject || decision.Reason != want {
		t.Errorf("%+v, %v", decision, err)
	}
}

// TestTheSweepEndsVoidTickets: of a policy that was changed while the signer was down.
func TestTheSweepEndsVoidTickets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.policy = before
	id := h.asks(t, 1)
	h.policy = after
	h.open(t, nil)
	if ticket := h.ticket(t, id); !ticket.Void || ticket.State != approval.StateOpen {
		t.Errorf("it is %s, void %v", ticket.State, ticket.Void)
	}
	h.Sweep(t.Context())
	h.isVoid(t, id)
	if h.holds(t) != "0" {
		t.Errorf("%s held", h.holds(t))
	}
}

// TestAVoidTicketIsRejected before it is ended, which gives back what it holds.
func TestAVoidTicketIsRejected(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.policy = before
	id := h.asks(t, 1)
	h.policy = after
	if err := h.vote(t, id, "alice", true); !errors.Is(err, approval.ErrVoid) {
		t.Errorf("an approval: %v", err)
	}
	if err := h.vote(t, id, "alice", false); err != nil || h.ticket(t, id).State != approval.StateRejected || h.holds(t) != "0" {
		t.Errorf("a rejection: %v, it is %s, with %s held", err, h.ticket(t, id).State, h.holds(t))
	}
}

// TestVoidInUse: what a request is about to use is not signed, and what comes back
// unsigned is void, whatever policy is in force by then.
func TestVoidInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	use := func(wei int64) (string, rules.Hold) {
		h.policy = before
		id := h.asks(t, wei)
		h.approve(t, id)
		_, hold := h.again(t, payment(wei), byPolicy(before))
		if hold == nil {
			t.Fatal("it is not approved")
		}
		return id, hold
	}
	reload := func() {
		h.policy = after
		if _, err := h.Void(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		h.policy = before
	}
	id, hold := use(1)
	reload()
	var decided *approval.DecidedError
	if err := hold.Keep(t.Context()); !errors.As(err, &decided) || decided.State != approval.StateVoid {
		t.Errorf("it is used: %v", err)
	}
	h.isVoid(t, id)

	id, hold = use(2)
	if err := hold.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload()
	if err := hold.Settle(t.Context(), payment(2), rules.Result{Outcome: rules.NotSigned}); err != nil {
		t.Fatal(err)
	}
	h.isVoid(t, id)
	if h.holds(t) != "0" {
		t.Errorf("%s held", h.holds(t))
	}

	id, hold = use(3)
	if err := hold.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload()
	if err := hold.Settle(t.Context(), payment(3), rules.Result{Outcome: rules.Signed}); err != nil || h.ticket(t, id).State != approval.StateSigned {
		t.Errorf("what was signed: %v, %s", err, h.ticket(t, id).State)
	}
}

// TestVoidWithoutAStore: what can't be ended at the reload is void all the same, and
// ended later.
func TestVoidWithoutAStore(t *testing.T) {
	t.Parallel()
	store := new(faultyStore)
	h := newHouse(t, func(c *approval.Config) {
		store.Records, store.Ledger = c.Records, c.Ledger
		c.Records, c.Ledger = store, store
	})
	h.policy = before
	waits, approved := h.asks(t, 1), h.asks(t, 2)
	h.approve(t, approved)
	store.change = true
	h.policy = after
	if n, err := h.Void(t.Context(), before); n != 0 || err == nil {
		t.Errorf("%d ended, %v", n, err)
	}
	h.policy = before
	store.change = false
	if err := h.vote(t, waits, "alice", true); !errors.Is(err, approval.ErrVoid) {
		t.Errorf("a vote: %v", err)
	}
	if decision, hold := h.again(t, payment(2), byPolicy(before)); hold != nil || decision.Ticket != "" {
		t.Errorf("it is approved: %+v", decision)
	}
	h.Sweep(t.Context())
	h.isVoid(t, waits)
	h.isVoid(t, approved)
}

// TestVoidAtTwoReplicas, that are told of a policy one after the other: the first ends
// what was asked before, everywhere. What the other asks meanwhile, by the policy that
// it still has, is its own until it follows; and it leaves alone what the first asks.
func TestVoidAtTwoReplicas(t *testing.T) {
	t.Parallel()
	one, other := newPair(t)
	one.policy, other.policy = before, before
	here, there := one.asks(t, 1), other.asks(t, 2)
	other.approve(t, there)
	sweep := func() {
		one.clock.pass(1)
		for _, h := range []*house{one, other, one} {
			if _, err := h.Asked(t.Context(), payment(9), byPolicy(h.policy)); err != nil { // takes over what others did
				t.Fatal(err)
			}
			h.Sweep(t.Context())
		}
	}
	sweep()
	one.clock.pass(1e9)
	one.policy = after
	if n, err := one.Void(t.Context(), before); n != 2 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	one.clock.pass(1e9)
	later, ahead := other.asks(t, 3), one.asks(t, 4)
	sweep()
	for _, h := range []*house{one, other} {
		h.isVoid(t, here)
		h.isVoid(t, there)
	}
	if t3, t4 := one.ticket(t, later), other.ticket(t, ahead); t3.State != approval.StateOpen || !t3.Void || t4.State != approval.StateOpen || !t4.Void {
		t.Fatalf("%s and %s, void there %v and %v", t3.State, t4.State, t3.Void, t4.Void)
	}
	if err := one.vote(t, later, "alice", true); !errors.Is(err, approval.ErrVoid) {
		t.Errorf("a vote where the policy is another: %v", err)
	}
	other.approve(t, later)
	one.clock.pass(1e9)
	other.policy = after
	if n, err := other.Void(t.Context(), before); n != 1 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	sweep()
	one.isVoid(t, later)
	one.approve(t, ahead)
	if _, hold := other.again(t, payment(4), byPolicy(after)); hold == nil {
		t.Error("what the first asked is not approved")
	}
	if one.holds(t) != "1" {
		t.Errorf("%s held", one.holds(t))
	}
}

// reload brings the other of two policies into force. What was asked by the one before
// is void for good.
func (w *town) reload(t *testing.T) {
	t.Helper()
	for _, ticket := range w.queue.Tickets() {
		if ticket.Content.Policy == w.policy {
			w.void[ticket.Content.ID] = true
		}
	}
	left := w.policy
	w.policy[0] = 3 - w.policy[0]
	if _, err := w.queue.Void(t.Context(), left); err != nil && w.store.faults == (faults{}) {
		w.rapid.Fatal(err)
	}
}

// TestVoidWithClocksThatDiffer: what another replica has opened before is ended, also
// if its clock says that it was later.
func TestVoidWithClocksThatDiffer(t *testing.T) {
	t.Parallel()
	one := newHouse(t, nil)
	one.open(t, func(c *approval.Config) { c.Shared = one.records })
	ahead := *one
	other := &ahead
	other.journal, other.clock = new(journal), &clock{now: one.clock.Now().Add(time.Minute)}
	other.open(t, func(c *approval.Config) { c.Shared = one.records })
	one.policy, other.policy = before, before
	id := other.asks(t, 1)
	other.approve(t, id)
	one.policy = after
	if n, err := one.Void(t.Context(), before); n != 1 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	if _, err := other.Asked(t.Context(), payment(9), byPolicy(before)); err != nil { // takes over what others did
		t.Fatal(err)
	}
	other.isVoid(t, id)

	// A reload of the same bytes, or of others, leaves alone what is of neither.
	id = other.asks(t, 2)
	third := common.Hash{3}
	for _, left := range []common.Hash{after, third} {
		if n, err := one.Void(t.Context(), left); n != 0 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
	}
	if state := other.ticket(t, id).State; state != approval.StateOpen {
		t.Errorf("it is %s", state)
	}
}
