package approval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

// TestManyVotesThatDoNotCount: a stranger leaves a bounded number of entries in the journal,
// none with its words, and keeps nobody's vote from counting or from being recorded.
func TestManyVotesThatDoNotCount(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(t, payment(1), referral(finance()))
	cast := func(person, id string) error {
		_, err := h.Vote(t.Context(), approval.Ballot{
			Ticket: id, Hash: ticket.Hash, Person: person, Approve: true, Way: "test", Comment: strings.Repeat("z", 1000), Proof: []byte(`{"a":1}`),
		})
		return err
	}
	uncounted := func() (all []approval.Event) {
		for _, event := range h.journal.events {
			if event.Error != "" {
				all = append(all, event)
			}
		}
		return all
	}
	for i := range 500 {
		id, want := ticket.Content.ID, approval.ErrNotAsked
		if i%2 == 0 {
			id, want = "nosuchticket2345", approval.ErrUnknown
		}
		if err := cast("uid:1004", id); !errors.Is(err, want) {
			t.Fatalf("vote %d: %v", i, err)
		}
	}
	if got := len(uncounted()); got != 20 {
		t.Errorf("%d entries of 500 votes", got)
	}
	if err := cast("mallory", ticket.Content.ID); !errors.Is(err, approval.ErrNotAsked) || len(uncounted()) != 21 {
		t.Errorf("another one's: %v, %d entries", err, len(uncounted()))
	}
	h.clock.pass(time.Minute)
	if err := cast("uid:1004", ticket.Content.ID); !errors.Is(err, approval.ErrNotAsked) {
		t.Error(err)
	}
	last := uncounted()[len(uncounted())-1]
	if last.Error != "it is not among those who are asked; before it 480 votes that did not count either came too fast to be recorded" {
		t.Errorf("recorded %q", last.Error)
	}
	for _, event := range uncounted() {
		if event.Ballot.Comment != "" || event.Ballot.Proof != nil || event.Ballot.Person == "" {
			t.Fatalf("recorded %+v", event.Ballot)
		}
	}
	if err := cast("alice", ticket.Content.ID); err != nil {
		t.Error(err)
	}
	if counts := h.journal.events[len(h.journal.events)-1].Ballot; counts.Comment == "" || counts.Proof == nil {
		t.Errorf("the one that counts is recorded as %+v", counts)
	}
	for i := range 3000 { // who there is no place for is bounded, too
		_ = cast(fmt.Sprintf("uid:%d", i+2000), ticket.Content.ID)
	}
	if got := len(uncounted()); got > 1100 {
		t.Errorf("%d entries of 3,000 strangers", got)
	}
}

// TestWithdrawnVote: what proves a vote is asked for when it is about to count, and stands
// until it does.
func TestWithdrawnVote(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(t, payment(1), referral(finance()))
	released := 0
	ballot := approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "test"}
	ballot.Stand = func(context.Context) (func(), error) { return nil, approval.ErrWithdrawn }
	if _, err := h.Vote(t.Context(), ballot); !errors.Is(err, approval.ErrWithdrawn) {
		t.Errorf("%v", err)
	}
	if got := h.ticket(t, ticket.Content.ID); len(got.Votes) != 0 {
		t.Errorf("counted: %+v", got.Votes)
	}
	if told := h.journal.told(); told[len(told)-1] != "vote!" {
		t.Errorf("journal %q", told)
	}
	ballot.Stand = func(context.Context) (func(), error) {
		return func() {
			released++
			if got := h.ticket(t, ticket.Content.ID); len(got.Votes) != 1 {
				t.Errorf("released before it counts: %+v", got.Votes)
			}
		}, nil
	}
	if _, err := h.Vote(t.Context(), ballot); err != nil || released != 1 {
		t.Errorf("%v, released %d times", err, released)
	}
	ballot.Stand = func(context.Context) (func(), error) {
		t.Error("asked of a vote that does not count anyway")
		return nil, approval.ErrWithdrawn
	}
	if _, err := h.Vote(t.Context(), ballot); !errors.Is(err, approval.ErrVoted) {
		t.Errorf("%v", err)
	}
}
