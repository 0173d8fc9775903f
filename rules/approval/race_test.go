package approval_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestEqualRequestsAtOnce: of many that wait for one ticket one signs, and the others
// get the same signature, or are refused where signatures are not shared.
func TestEqualRequestsAtOnce(t *testing.T) {
	t.Parallel()
	for name, shares := range map[string]bool{"shared": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(cfg *approval.Config) { cfg.Shares = shares })
			waiting := finance()
			waiting.Wait = time.Minute
			decision := referral(waiting)
			var used, shared, refused atomic.Int64
			var group sync.WaitGroup
			for range 64 {
				question, err := h.Ask(t.Context(), payment(5), decision, 0)
				if err != nil {
					t.Fatal(err)
				}
				group.Go(func() {
					got, hold, err := question.Await(t.Context())
					switch {
					case err != nil:
						t.Error(err)
					case got.Verdict == rules.Reject:
						refused.Add(1)
					case fmt.Sprintf("%T", hold) == "approval.shared":
						shared.Add(1)
					default:
						used.Add(1)
						if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.Signed})); err != nil {
							t.Error(err)
						}
					}
				})
			}
			tickets := h.Tickets()
			if len(tickets) != 1 {
				t.Fatalf("%d tickets for equal requests", len(tickets))
			}
			for _, person := range []string{"alice", "bob"} {
				if err := h.vote(t, tickets[0].Content.ID, person, true); err != nil {
					t.Fatal(err)
				}
			}
			group.Wait()
			if used.Load() != 1 || shares != (shared.Load() == 63) || shares != (refused.Load() == 0) {
				t.Errorf("%d used it, %d shared it, %d were refused", used.Load(), shared.Load(), refused.Load())
			}
		})
	}
}

// TestVoteAndExpiry: a last vote and the end of the time race. Whatever wins, a ticket
// is approved with its quorum or has expired without it, for good.
func TestVoteAndExpiry(t *testing.T) {
	t.Parallel()
	for range 50 {
		h := newHouse(t, nil)
		id := h.ask(t, payment(5), referral(finance())).Content.ID
		if err := h.vote(t, id, "alice", true); err != nil {
			t.Fatal(err)
		}
		hash := h.ticket(t, id).Hash
		var group sync.WaitGroup
		for _, person := range []string{"bob", "carol"} {
			group.Go(func() {
				_, err := h.Vote(t.Context(), approval.Ballot{Ticket: id, Hash: hash, Person: person, Approve: true, Way: "test"})
				var decided *approval.DecidedError
				if err != nil && !errors.As(err, &decided) {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			h.clock.pass(30 * time.Minute)
			h.Sweep(t.Context())
		})
		group.Wait()
		ticket := h.ticket(t, id)
		switch enough := ticket.Missing()[0] == 0; {
		case ticket.State == approval.StateApproved && !enough, ticket.State == approval.StateExpired && enough, ticket.State == approval.StateOpen:
			t.Fatalf("%s with %d votes", ticket.State, len(ticket.Votes))
		}
	}
}

// TestWatchers: who reads slowly is cut off, and holds nobody up.
func TestWatchers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	slow, stop := h.Watch(1)
	defer stop()
	quick, stopQuick := h.Watch(10)
	for i := range 3 {
		h.ask(t, payment(int64(i)), referral(finance()))
	}
	stopQuick()
	stopQuick()
	seen := 0
	for range quick {
		seen++
	}
	for range slow {
		seen++
	}
	if seen != 4 {
		t.Errorf("%d changes seen", seen)
	}
}

// TestManyOpen: a thousand wait, and no more; a caller can't have them all.
func TestManyOpen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var busy *approval.BusyError
	for i := range 1000 {
		req := payment(int64(i))
		req.Principal = fmt.Sprintf("caller-%d", i%5)
		_, err := h.Ask(t.Context(), req, referral(finance()), 0)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	req := payment(5000)
	req.Principal = "another"
	if _, err := h.Ask(t.Context(), req, referral(finance()), 0); !errors.As(err, &busy) || busy.RetryAfter() <= 0 {
		t.Errorf("%v", err)
	}
	h = newHouse(t, nil)
	for i := range 250 {
		if _, err := h.Ask(t.Context(), payment(int64(i)), referral(finance()), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Ask(t.Context(), payment(5000), referral(finance()), 0); !errors.As(err, &busy) {
		t.Errorf("%v", err)
	}
	if _, err := h.Ask(t.Context(), req, referral(finance()), 0); err != nil {
		t.Errorf("another caller: %v", err)
	}
	h.clock.pass(30 * time.Minute)
	h.Sweep(t.Context())
	if _, err := h.Ask(t.Context(), payment(5000), referral(finance()), 0); err != nil {
		t.Errorf("after they have expired: %v", err)
	}
}

// BenchmarkThousandOpen measures what a vote and a look cost beside a thousand tickets.
func BenchmarkThousandOpen(b *testing.B) {
	for _, open := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d-open", open), func(b *testing.B) {
			h := newHouse(b, nil)
			for i := range open {
				req := payment(int64(i))
				req.Principal = fmt.Sprintf("caller-%d", i%5)
				if _, err := h.Ask(b.Context(), req, referral(finance()), 0); err != nil {
					b.Fatal(err)
				}
			}
			req, decision := payment(0), referral(finance())
			req.Principal = "caller-0"
			for b.Loop() {
				question, err := h.Asked(b.Context(), req, decision)
				if err != nil || question == nil {
					b.Fatal(question, err)
				}
				if got, _, err := question.Await(b.Context()); err != nil || got.Verdict != rules.Refer {
					b.Fatal(got, err)
				}
				h.Sweep(b.Context())
			}
		})
	}
}
