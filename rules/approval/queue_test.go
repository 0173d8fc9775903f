package approval_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestQuorum takes a request from the question to the signature, over a restart.
func TestQuorum(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	req, decision := payment(5), referral(finance())
	ticket := h.ask(t, req, decision)
	if err := h.vote(t, ticket.Content.ID, "alice", true); err != nil {
		t.Fatal(err)
	}
	if got, hold := h.again(t, req, decision); got.Verdict != rules.Refer || hold != nil || !strings.Contains(got.Reason, "waits for 1 of finance until 2026-03-01T12:30:00Z") {
		t.Fatalf("after one vote: %+v", got)
	}
	h.open(t, nil) // from what is stored
	if err := h.vote(t, ticket.Content.ID, "carol", true); err != nil {
		t.Fatal(err)
	}
	got, hold := h.again(t, req, decision)
	if got.Verdict != rules.Approve || hold == nil || got.Reason != "approved by alice, carol" || got.Ticket != ticket.Content.ID {
		t.Fatalf("after two votes: %+v", got)
	}
	if other, second := h.again(t, req, decision); other.Verdict != rules.Refer || second != nil {
		t.Fatalf("two requests at once: %+v", other)
	}
	if err := hold.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := hold.Settle(t.Context(), req, rules.Result{Outcome: rules.Signed}); err != nil {
		t.Fatal(err)
	}
	if question, err := h.Asked(t.Context(), req, decision); question != nil || err != nil {
		t.Fatalf("an approval is there for another signature: %v, %v", question, err)
	}
	if told := h.journal.told(); !slices.Equal(told, []string{"opened", "vote", "vote", "approved"}) {
		t.Errorf("journal %v", told)
	}
}

// TestEqualRequests: only what people would be shown in the same way uses an
// approval.
func TestEqualRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	decision := referral(finance())
	ticket := h.ask(t, payment(5), decision)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, ticket.Content.ID, person, true); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*rules.Request, *rules.Decision){
		"another amount":  func(r *rules.Request, _ *rules.Decision) { *r = *payment(6) },
		"another caller":  func(r *rules.Request, _ *rules.Decision) { r.Principal = "mallory" },
		"another account": func(r *rules.Request, _ *rules.Decision) { r.Account.Address[0]++ },
		"another digest":  func(r *rules.Request, _ *rules.Decision) { r.Digest[0]++ },
		"another version": func(r *rules.Request, _ *rules.Decision) { r.Account.Version = "2" },
		"another rule":    func(_ *rules.Request, d *rules.Decision) { d.Rule = "small" },
		"another policy":  func(_ *rules.Request, d *rules.Decision) { d.Policy[0]++ },
	} {
		req, other := payment(5), decision
		change(req, &other)
		if got, hold := h.again(t, req, other); hold != nil || got.Verdict != rules.Undecided {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, hold := h.again(t, payment(5), decision); hold == nil || got.Verdict != rules.Approve {
		t.Errorf("an equal one: %+v", got)
	}
}

// TestVotesThatDoNotCount: each says why, changes nothing, and is in the journal.
func TestVotesThatDoNotCount(t *testing.T) {
	t.Parallel()
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"dave"}, Expires: time.Hour, Requester: true}
	for name, tt := range map[string]struct {
		prepare func(*testing.T, *house, string)
		ballot  func(*approval.Ballot)
		want    error
	}{
		"no such ticket": {ballot: func(b *approval.Ballot) { b.Ticket = "x" }, want: approval.ErrUnknown},
		"a stale page":   {ballot: func(b *approval.Ballot) { b.Hash[0]++ }, want: approval.ErrStale},
		"a stranger":     {ballot: func(b *approval.Ballot) { b.Person = "mallory" }, want: approval.ErrNotAsked},
		"who asks":       {ballot: func(b *approval.Ballot) { b.Person = "carol" }, want: approval.ErrRequester},
		"a second vote": {
			prepare: func(t *testing.T, h *house, id string) {
				t.Helper()
				if err := h.vote(t, id, "alice", true); err != nil {
					t.Fatal(err)
				}
			},
			want: approval.ErrVoted,
		},
		"a changed policy": {prepare: func(_ *testing.T, h *house, _ string) { h.policy = common.Hash{2} }, want: approval.ErrVoid},
		"a rejected one": {
			prepare: func(t *testing.T, h *house, id string) {
				t.Helper()
				if err := h.vote(t, id, "bob", false); err != nil {
					t.Fatal(err)
				}
			},
			want: &approval.DecidedError{},
		},
		"too late": {prepare: func(_ *testing.T, h *house, _ string) { h.clock.pass(30 * time.Minute) }, want: &approval.DecidedError{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.policy = common.Hash{1}
			req, decision := payment(5), referral(finance(), board)
			req.Principal, decision.Policy = "carol", h.policy
			ticket := h.ask(t, req, decision)
			if tt.prepare != nil {
				tt.prepare(t, h, ticket.Content.ID)
			}
			before, _ := h.records.Record(t.Context(), "ticket/"+ticket.Content.ID)
			ballot := approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "test"}
			if tt.ballot != nil {
				tt.ballot(&ballot)
			}
			_, err := h.Vote(t.Context(), ballot)
			var decided *approval.DecidedError
			if !errors.Is(err, tt.want) && (!errors.As(tt.want, &decided) || !errors.As(err, &decided)) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if after, _ := h.records.Record(t.Context(), "ticket/"+ticket.Content.ID); !bytes.Equal(after, before) {
				t.Error("the ticket was changed")
			}
			if told := h.journal.told(); told[len(told)-1] != "vote!" {
				t.Errorf("journal %v", told)
			}
		})
	}
}

// TestAllQuorums: who is in two groups counts in both, and both must approve.
func TestAllQuorums(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"carol"}, Expires: time.Hour}
	ticket := h.ask(t, payment(5), referral(finance(), board))
	for i, person := range []string{"alice", "bob", "carol"} {
		if err := h.vote(t, ticket.Content.ID, person, true); err != nil {
			t.Fatal(err)
		}
		if got := h.ticket(t, ticket.Content.ID); (got.State == approval.StateApproved) != (i == 2) {
			t.Errorf("%s after %s", got.State, person)
		}
	}
}

// TestEnds: rejection, expiry and lapse refuse an equal request for a while, and
// give back what is held.
func TestEnds(t *testing.T) {
	t.Parallel()
	charge := rules.Charge{Counter: "c", Limit: "daily", Amount: *uint256.NewInt(8), Cap: *uint256.NewInt(10), Window: 24 * time.Hour}
	for name, tt := range map[string]struct {
		end  func(*testing.T, *house, string)
		want string
	}{
		"rejected": {func(t *testing.T, h *house, id string) {
			t.Helper()
			if err := h.vote(t, id, "bob", false); err != nil {
				t.Fatal(err)
			}
		}, "was rejected by bob"},
		"expired": {func(t *testing.T, h *house, _ string) {
			t.Helper()
			h.clock.pass(30 * time.Minute)
			h.Sweep(t.Context())
		}, "has expired"},
		"lapsed": {func(t *testing.T, h *house, id string) {
			t.Helper()
			for _, person := range []string{"alice", "bob"} {
				if err := h.vote(t, id, person, true); err != nil {
					t.Fatal(err)
				}
			}
			h.clock.pass(10 * time.Minute)
			h.Sweep(t.Context())
		}, "has lapsed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			req, decision := payment(5), referral(finance())
			decision.Charges = []rules.Charge{charge}
			id, err := h.ledger.Hold(t.Context(), decision.Charges)
			if err != nil {
				t.Fatal(err)
			}
			question, err := h.Ask(t.Context(), req, decision, id)
			if err != nil {
				t.Fatal(err)
			}
			pending, _, err := question.Await(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.ledger.Hold(t.Context(), decision.Charges); err == nil {
				t.Fatal("what people think about is not held")
			}
			tt.end(t, h, pending.Ticket)
			if name != "lapsed" {
				if got, hold := h.again(t, req, decision); got.Verdict != rules.Reject || hold != nil || !strings.HasSuffix(got.Reason, tt.want) {
					t.Errorf("%+v", got)
				}
			}
			if _, err := h.ledger.Hold(t.Context(), decision.Charges); err != nil {
				t.Errorf("not given back: %v", err)
			}
			h.clock.pass(11 * time.Minute)
			if got, hold := h.again(t, req, decision); got.Verdict != rules.Undecided || hold != nil {
				t.Errorf("after a while: %+v", got)
			}
			h.clock.pass(8 * 24 * time.Hour)
			h.Sweep(t.Context())
			if left := h.Tickets(); len(left) != 0 {
				t.Errorf("%d tickets are kept for ever", len(left))
			}
		})
	}
}

// TestUnused: what was certainly not signed leaves the approval; what may have been
// signed uses it up.
func TestUnused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	req, decision := payment(5), referral(finance())
	ticket := h.ask(t, req, decision)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, ticket.Content.ID, person, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, outcome := range []rules.Outcome{rules.NotSigned, rules.NotSigned, rules.Unknown} {
		got, hold := h.again(t, req, decision)
		if got.Verdict != rules.Approve {
			t.Fatalf("%+v", got)
		}
		if err := hold.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := hold.Settle(t.Context(), req, rules.Result{Outcome: outcome}); err != nil {
			t.Fatal(err)
		}
	}
	if got, hold := h.again(t, req, decision); got.Verdict != rules.Reject || hold != nil || !strings.Contains(got.Reason, "a signature may have been made") {
		t.Errorf("%+v", got)
	}
	h.open(t, nil)
	if got, hold := h.again(t, req, decision); got.Verdict != rules.Reject || hold != nil {
		t.Errorf("after a restart: %+v", got)
	}
}
