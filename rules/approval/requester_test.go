package approval_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestRequesterInOneQuorum: who asks, and may approve for one of two quorums, does not stand
// in the way of its ticket, and its vote counts for that one alone.
func TestRequesterInOneQuorum(t *testing.T) {
	t.Parallel()
	ours := &rules.Quorum{Group: "ours", Threshold: 1, Of: []string{"alice", "carol"}, Requester: true, Expires: time.Hour}
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"alice", "bob"}, Expires: time.Hour}
	for name, tt := range map[string]struct {
		votes []string
		state approval.State
		left  []int
	}{
		"who asks alone":        {[]string{"alice"}, approval.StateOpen, []int{0, 1}},
		"the other one":         {[]string{"alice", "bob"}, approval.StateApproved, []int{0, 0}},
		"the other one first":   {[]string{"bob", "alice"}, approval.StateApproved, []int{0, 0}},
		"others":                {[]string{"bob", "carol"}, approval.StateApproved, []int{0, 0}},
		"one quorum is not two": {[]string{"alice", "carol"}, approval.StateOpen, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			req := payment(5)
			req.Principal = "alice"
			id := h.ask(t, req, referral(ours, board)).Content.ID
			for _, person := range tt.votes {
				if err := h.vote(t, id, person, true); err != nil {
					t.Fatal(person, err)
				}
			}
			h.open(t, nil) // and after a start it is so, too
			ticket := h.ticket(t, id)
			if ticket.State != tt.state || !slices.Equal(ticket.Missing(), tt.left) {
				t.Errorf("%s, and missing are %d", ticket.State, ticket.Missing())
			}
			if _, hold := h.again(t, req, referral(ours, board)); (hold != nil) != (tt.state == approval.StateApproved) {
				t.Error("it is used, or not")
			}
			if err := h.vote(t, id, "alice", true); tt.state == approval.StateOpen && !errors.Is(err, approval.ErrVoted) {
				t.Errorf("a second vote: %v", err)
			}
		})
	}
	t.Run("excluded by all", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		req := payment(5)
		req.Principal = "bob"
		id := h.ask(t, req, referral(ours, board)).Content.ID
		if err := h.vote(t, id, "bob", true); !errors.Is(err, approval.ErrRequester) {
			t.Errorf("%v", err)
		}
	})
	t.Run("others lose nothing", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		id := h.ask(t, payment(5), referral(ours, board)).Content.ID // not of alice
		if err := h.vote(t, id, "alice", true); err != nil || h.ticket(t, id).State != approval.StateApproved {
			t.Errorf("%v, %s", err, h.ticket(t, id).State)
		}
	})
}
