package approval_test

import (
	"context"
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// lying are records that say of a change that it failed, and have made it or not.
type lying struct {
	rules.Records
	lies, makes bool
}

func (l *lying) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if !l.lies {
		return l.Records.ChangeRecords(ctx, changes...)
	}
	if l.makes {
		if err := l.Records.ChangeRecords(ctx, changes...); err != nil {
			return err
		}
	}
	return errBoom
}

// TestVoteInDoubt: what the journal says of a vote is what is stored, though the store
// said that it failed.
func TestVoteInDoubt(t *testing.T) {
	for name, makes := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			records := new(lying)
			h := newHouse(t, func(c *approval.Config) {
				records.Records = c.Records
				c.Records = records
			})
			ticket := h.ask(t, payment(1), referral(finance()))
			records.lies, records.makes = true, makes
			_, err := h.Vote(t.Context(), approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "terminal"})
			records.lies = false
			if (err == nil) != makes {
				t.Errorf("%v", err)
			}
			votes := h.ticket(t, ticket.Content.ID).Votes
			counts := !slices.Contains(h.journal.told(), "vote!")
			if counts != makes || (len(votes) == 1) != makes {
				t.Errorf("the journal says %v, and there are %+v", h.journal.told(), votes)
			}
		})
	}
}
