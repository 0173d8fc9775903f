package approval_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// newPair returns two queues on one store, with one journal each.
func newPair(t testing.TB) (one, other *house) {
	t.Helper()
	one = newHouse(t, nil)
	share := func(cfg *approval.Config) { cfg.Shared = one.records }
	one.open(t, share)
	second := *one
	other = &second
	other.journal = new(journal)
	other.open(t, share)
	return one, other
}

// follow has a queue do by itself what it does.
func (h *house) follow(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func oneADay() []rules.Charge {
	return []rules.Charge{{Counter: "c", Limit: "daily", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: 24 * time.Hour}}
}

// TestPeopleAtTwoReplicas: what is asked at one is approved at both, and the request
// that waits at the first goes on.
func TestPeopleAtTwoReplicas(t *testing.T) {
	t.Parallel()
	one, other := newPair(t)
	one.follow(t)
	waits := finance()
	waits.Wait = time.Minute
	question, err := one.Ask(t.Context(), payment(5), referral(waits), 0)
	if err != nil {
		t.Fatal(err)
	}
	id := one.Tickets()[0].Content.ID
	if again, err := other.Asked(t.Context(), payment(5), referral(waits)); err != nil || again == nil {
		t.Fatalf("an equal request elsewhere: %v, %v", again, err)
	}
	changes, stop := other.Watch(10)
	defer stop()
	if err := errors.Join(one.vote(t, id, "alice", true), other.vote(t, id, "bob", true)); err != nil {
		t.Fatal(err)
	}
	if change := <-changes; change.State != approval.StateApproved || change.Votes != 2 && change.Votes != 1 {
		t.Logf("told %+v", change)
	}
	decision, hold, err := question.Await(t.Context())
	if err != nil || decision.Verdict != rules.Approve || hold == nil {
		t.Fatalf("%+v, %v, %v", decision, hold, err)
	}
	if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.Signed})); err != nil {
		t.Fatal(err)
	}
	if again, err := other.Asked(t.Context(), payment(5), referral(waits)); err != nil || again != nil {
		t.Errorf("the approval is there for another request elsewhere: %v, %v", again, err)
	}
	if told := one.journal.told(); !slices.Equal(told, []string{"opened", "vote"}) {
		t.Errorf("the journal of the one: %v", told)
	}
	if told := other.journal.told(); !slices.Equal(told, []string{"vote", "approved"}) {
		t.Errorf("the journal of the other: %v", told)
	}
}

// TestTwoReplicasUseAnApproval at once: one signs.
func TestTwoReplicasUseAnApproval(t *testing.T) {
	t.Parallel()
	for range 100 {
		one, other := newPair(t)
		id := one.ask(t, payment(5), referral(finance())).Content.ID
		if err := errors.Join(one.vote(t, id, "alice", true), one.vote(t, id, "bob", true)); err != nil {
			t.Fatal(err)
		}
		var used atomic.Int64
		var group sync.WaitGroup
		start := make(chan struct{})
		for _, h := range []*house{one, other} {
			question, err := h.Asked(t.Context(), payment(5), referral(finance()))
			if err != nil || question == nil {
				t.Fatalf("%v, %v", question, err)
			}
			decision, hold, err := question.Await(t.Context())
			if err != nil || decision.Verdict != rules.Approve {
				t.Fatalf("%+v, %v", decision, err)
			}
			group.Go(func() {
				<-start
				if hold.Keep(t.Context()) == nil {
					used.Add(1)
				}
			})
		}
		close(start)
		group.Wait()
		if used.Load() != 1 {
			t.Fatalf("used by %d", used.Load())
		}
	}
}

// TestVotesAtTwoReplicas at once: each counts, or who cast it is told that it does not.
func TestVotesAtTwoReplicas(t *testing.T) {
	t.Parallel()
	for range 100 {
		one, other := newPair(t)
		id := one.ask(t, payment(5), referral(finance())).Content.ID
		if _, err := other.Asked(t.Context(), payment(5), referral(finance())); err != nil {
			t.Fatal(err)
		}
		hash := one.ticket(t, id).Hash
		var counted atomic.Int64
		var group sync.WaitGroup
		for person, h := range map[string]*house{"alice": one, "bob": other} {
			group.Go(func() {
				if _, err := h.Vote(t.Context(), approval.Ballot{Ticket: id, Hash: hash, Person: person, Approve: true, Way: "test"}); err == nil {
					counted.Add(1)
				}
			})
		}
		group.Wait()
		for _, h := range []*house{one, other} {
			h.Sweep(t.Context())
			if _, err := h.Asked(t.Context(), payment(5), referral(finance())); err != nil {
				t.Fatal(err)
			}
			ticket := h.ticket(t, id)
			if len(ticket.Votes) != int(counted.Load()) || (ticket.State == approval.StateApproved) != (counted.Load() == 2) {
				t.Fatalf("%d votes count, and it is %s with %d", counted.Load(), ticket.State, len(ticket.Votes))
			}
		}
	}
}

// TestTicketsEndOnceAtTwoReplicas: what is held is given back once, and the end is
// recorded once.
func TestTicketsEndOnceAtTwoReplicas(t *testing.T) {
	t.Parallel()
	one, other := newPair(t)
	decision := referral(finance())
	decision.Charges = oneADay()
	id, err := one.ledger.Hold(t.Context(), decision.Charges)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Ask(t.Context(), payment(5), decision, id); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Asked(t.Context(), payment(5), decision); err != nil {
		t.Fatal(err)
	}
	one.clock.pass(31 * time.Minute)
	var group sync.WaitGroup
	for _, h := range []*house{one, other} {
		group.Go(func() { h.Sweep(t.Context()) })
	}
	group.Wait()
	for _, h := range []*house{one, other} {
		h.Sweep(t.Context())
		if state := h.Tickets()[0].State; state != approval.StateExpired {
			t.Errorf("it is %s", state)
		}
	}
	expired := 0
	for _, what := range append(one.journal.told(), other.journal.told()...) {
		if what == string(approval.WhatExpired) {
			expired++
		}
	}
	if usage, err := one.ledger.Usage(t.Context(), "c"); err != nil || !usage.Used.IsZero() || expired != 1 {
		t.Errorf("%s are used, and it expired %d times: %v", usage.Used.Dec(), expired, err)
	}
	one.clock.pass(8 * 24 * time.Hour)
	one.Sweep(t.Context())
	other.Sweep(t.Context())
	other.Sweep(t.Context())
	if left := len(one.Tickets()) + len(other.Tickets()); left != 0 {
		t.Errorf("%d are left", left)
	}
}
