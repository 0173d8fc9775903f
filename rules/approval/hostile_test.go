package approval_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestClocksStepBack: when the clock is set back, an equal request finds the ticket that
// was opened for it, and not one that has ended.
func TestClocksStepBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	req, decision := payment(5), referral(finance())
	first := h.ask(t, req, decision)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, first.Content.ID, person, true); err != nil {
			t.Fatal(err)
		}
	}
	_, hold := h.again(t, req, decision)
	if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), req, rules.Result{Outcome: rules.Signed})); err != nil {
		t.Fatal(err)
	}
	h.clock.pass(-time.Hour)
	second := h.ask(t, req, decision)
	for range 2 {
		if got, _ := h.again(t, req, decision); got.Ticket != second.Content.ID {
			t.Fatalf("the request has ticket %q, and finds %q", second.Content.ID, got.Ticket)
		}
		h.open(t, nil)
	}
}

// TestSharedAreSignaturesAlone: what makes a key is done once for an approval. A
// signature may be given to equal requests as well, and the decision says so.
func TestSharedAreSignaturesAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []rules.Kind{rules.KindNewAccount, rules.KindTransaction} {
		h := newHouse(t, nil)
		req, decision := payment(5), referral(finance())
		if req.Kind = kind; !kind.Signs() {
			req = &rules.Request{ID: "r", Kind: kind, Method: "account_new", Principal: "local"}
		}
		ticket := h.ask(t, req, decision)
		for _, person := range []string{"alice", "bob"} {
			if err := h.vote(t, ticket.Content.ID, person, true); err != nil {
				t.Fatal(err)
			}
		}
		before, err := h.Asked(t.Context(), req, decision)
		if err != nil || before == nil {
			t.Fatal(before, err)
		}
		first, hold := h.again(t, req, decision)
		if first.Repeats {
			t.Error("the first has a signature of its own")
		}
		if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), req, rules.Result{Outcome: rules.Signed})); err != nil {
			t.Fatal(err)
		}
		switch got, _, err := before.Await(t.Context()); {
		case err != nil:
			t.Error(err)
		case kind.Signs() && (got.Verdict != rules.Approve || !got.Repeats), !kind.Signs() && got.Verdict != rules.Reject:
			t.Errorf("%v: %+v", kind, got)
		}
	}
}

// TestOtherPeople: when the configuration names others than a ticket asks, an equal
// request is put to those whom it names.
func TestOtherPeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *approval.Config) { c.Default = finance() })
	decision := referral()
	ticket := h.ask(t, payment(5), decision)
	for _, person := range []string{"alice", "bob"} {
		if err := h.vote(t, ticket.Content.ID, person, true); err != nil {
			t.Fatal(err)
		}
	}
	patient := finance()
	patient.Wait = time.Hour
	h.open(t, func(c *approval.Config) { c.Default = patient })
	if question, err := h.Asked(t.Context(), payment(5), decision); err != nil || question == nil {
		t.Errorf("how long callers wait is no matter of who approves: %v, %v", question, err)
	}
	all := finance()
	all.Threshold = 3
	h.open(t, func(c *approval.Config) { c.Default = all })
	if got, hold := h.again(t, payment(5), decision); hold != nil {
		t.Errorf("two of three have approved: %+v", got)
	}
	other := h.ask(t, payment(5), decision)
	if other.Content.ID == ticket.Content.ID || other.Missing()[0] != 3 {
		t.Errorf("asked are %+v", other.Content.Quorums)
	}
	if got, _ := h.again(t, payment(5), decision); got.Ticket != other.Content.ID {
		t.Errorf("asked again: %+v", got)
	}
}

// TestBoard: a ticket of what passes a limit is found before it is known again whether
// the limit is passed, and asks nobody else.
func TestBoard(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"dave"}, Expires: time.Hour}
	ticket := h.ask(t, payment(5), referral(finance(), board))
	decision := referral(finance())
	if got, _ := h.again(t, payment(5), decision); got.Ticket != "" {
		t.Errorf("a ticket that asks more people than the rules: %+v", got)
	}
	decision.OverLimit = board
	if got, _ := h.again(t, payment(5), decision); got.Ticket != ticket.Content.ID {
		t.Errorf("not found: %+v", got)
	}
}

// TestBadQuorums: nobody is asked where too few could approve, or none must.
func TestBadQuorums(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, quorum := range map[string]rules.Quorum{
		"none must":       {Group: "g", Of: []string{"alice"}},
		"less than none":  {Group: "g", Threshold: -1, Of: []string{"alice"}},
		"too few":         {Group: "g", Threshold: 2, Of: []string{"alice"}},
		"one named twice": {Group: "g", Threshold: 2, Of: []string{"alice", "alice"}},
		"nobody":          {Group: "g", Threshold: 1},
	} {
		quorum.Expires = time.Hour
		if _, err := h.Ask(t.Context(), payment(5), referral(finance(), &quorum), 0); err == nil || len(h.Tickets()) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// slowRecords wait until they may change something, and fail then if they are told to.
type slowRecords struct {
	rules.Records
	begun, may chan struct{}
	fail       bool
}

func (r *slowRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	close(r.begun)
	<-r.may
	if r.fail {
		return errBoom
	}
	return r.Records.ChangeRecords(ctx, changes...)
}

// TestNobodyIsToldTooEarly: an equal request is not told of a ticket before it is
// durable, and never of one that could not be made so.
func TestNobodyIsToldTooEarly(t *testing.T) {
	t.Parallel()
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			records := &slowRecords{begun: make(chan struct{}), may: make(chan struct{}), fail: fail}
			h := newHouse(t, func(c *approval.Config) {
				records.Records = c.Records
				c.Records = records
			})
			h.Hurry()
			asked, told := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := h.Ask(t.Context(), payment(5), referral(finance()), 0)
				asked <- err
			}()
			<-records.begun
			question, err := h.Asked(t.Context(), payment(5), referral(finance()))
			if err != nil || question == nil {
				t.Fatal(question, err)
			}
			go func() {
				_, _, err := question.Await(t.Context())
				told <- err
			}()
			synctest.Wait()
			if len(told) != 0 {
				t.Error("told before it was durable")
			}
			close(records.may)
			for _, answer := range []chan error{asked, told} {
				if err := <-answer; (err != nil) != fail {
					t.Error(err)
				}
			}
		})
	}
}

// TestOneCallerLeavesRoom: who asks with much to show takes a quarter of the room, and
// not all of it.
func TestOneCallerLeavesRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *approval.Config) { c.MaxPerCaller = 1000 })
	large := func(i int, principal string) error {
		req := payment(int64(i))
		req.Principal, req.Kind, req.Transaction = principal, rules.KindText, nil
		req.Preimage, req.Digest[0], req.Digest[1] = make([]byte, 200<<10), byte(i), byte(i>>8)
		_, err := h.Ask(t.Context(), req, referral(finance()), 0)
		return err
	}
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = large(n, "mallory")
	}
	var busy *approval.BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "mallory") || n < 50 || n > 100 {
		t.Fatalf("%d: %v", n, err)
	}
	if err := large(n+1, "another"); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

// TestHostileBallots: what no ballot has is refused before it is in the journal.
func TestHostileBallots(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ticket := h.ask(t, payment(5), referral(finance()))
	for name, change := range map[string]func(*approval.Ballot){
		"a long ticket":   func(b *approval.Ballot) { b.Ticket = strings.Repeat("a", 1000) },
		"a long person":   func(b *approval.Ballot) { b.Person = strings.Repeat("a", 1000) },
		"a long way":      func(b *approval.Ballot) { b.Way = strings.Repeat("a", 1000) },
		"nobody":          func(b *approval.Ballot) { b.Person = "" },
		"no way":          func(b *approval.Ballot) { b.Way = "" },
		"a long comment":  func(b *approval.Ballot) { b.Comment = strings.Repeat("a", 1001) },
		"bidi":            func(b *approval.Ballot) { b.Comment = "a\u202eb" },
		"an escape":       func(b *approval.Ballot) { b.Comment = "\x1b[2J" },
		"no UTF-8":        func(b *approval.Ballot) { b.Comment = "\xff" },
		"a long proof":    func(b *approval.Ballot) { b.Proof = []byte(`"` + strings.Repeat("a", 8<<10) + `"`) },
		"no JSON":         func(b *approval.Ballot) { b.Proof = []byte(`{"a":`) },
		"two JSON values": func(b *approval.Ballot) { b.Proof = []byte(`{} {}`) },
	} {
		ballot := approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "test"}
		change(&ballot)
		if _, err := h.Vote(t.Context(), ballot); err == nil {
			t.Errorf("%s counts", name)
		}
	}
	if told := h.journal.told(); len(told) != 1 || len(h.ticket(t, ticket.Content.ID).Votes) != 0 {
		t.Errorf("journal %v", told)
	}
}
