package approval_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// rewrite changes what is stored of a ticket, behind the queue's back.
func (h *house) rewrite(t *testing.T, id string, change func(stored map[string]any)) {
	t.Helper()
	raw, err := h.records.Record(t.Context(), "ticket/"+id)
	if err != nil {
		t.Fatal(err)
	}
	var stored map[string]any
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	change(stored)
	changed, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.records.ChangeRecords(t.Context(), rules.Change{Key: "ticket/" + id, Old: raw, New: changed}); err != nil {
		t.Fatal(err)
	}
}

func votesOf(t *testing.T, stored map[string]any) []any {
	t.Helper()
	votes, ok := stored["votes"].([]any)
	if !ok {
		t.Fatalf("no votes in %v", stored)
	}
	return votes
}

// reword changes what the text of a stored ticket says.
func reword(t *testing.T, stored map[string]any, from, to string) {
	t.Helper()
	text, _ := stored["text"].(string)
	if !strings.Contains(text, from) {
		t.Fatalf("the ticket says %s", text)
	}
	stored["text"] = strings.Replace(text, from, to, 1)
}

// TestStoredTicketsThatCannotBe: a ticket that no kvclef of this version stores is an error
// of the start: it may have been made to approve something.
func TestStoredTicketsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, id string, stored map[string]any)
		want   string
	}{
		"as it is": {func(*testing.T, string, map[string]any) {}, ""},
		"another ticket": {func(t *testing.T, id string, stored map[string]any) {
			t.Helper()
			reword(t, stored, id, strings.Repeat("a", len(id)))
		}, "is of the ticket"},
		"two votes of one": {func(t *testing.T, _ string, stored map[string]any) {
			t.Helper()
			votes := votesOf(t, stored)
			stored["votes"] = []any{votes[0], votes[0]}
		}, `two votes of "alice"`},
		"no such state":     {func(_ *testing.T, _ string, stored map[string]any) { stored["state"] = "granted" }, `unknown state "granted"`},
		"approved for ever": {func(_ *testing.T, _ string, stored map[string]any) { delete(stored, "use_by") }, "approved for ever"},
		"nobody must approve": {func(t *testing.T, _ string, stored map[string]any) {
			t.Helper()
			reword(t, stored, `"Threshold":2`, `"Threshold":0`)
		}, "can't approve"},
		"another version": {func(_ *testing.T, _ string, stored map[string]any) { stored["version"] = 2 }, "has version 2"},
		"another member":  {func(_ *testing.T, _ string, stored map[string]any) { stored["approved"] = true }, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			id := h.ask(t, payment(5), referral(finance())).Content.ID
			h.approve(t, id)
			h.rewrite(t, id, func(stored map[string]any) { test.change(t, id, stored) })
			_, err := approval.New(t.Context(), approval.Config{
				Records: h.records, Ledger: h.ledger, Journal: h.journal, Logger: slog.New(slog.DiscardHandler), Clock: h.clock.Now,
				SamePerson: func(string, string, string) bool { return false },
				InForce:    func() common.Hash { return common.Hash{} },
			})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestAnotherTextIsNotTakenOver: people have voted on one text. When another is stored,
// nothing is voted on or used any more, whether it is read because nobody knows what is
// stored or because others change tickets too.
func TestAnotherTextIsNotTakenOver(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		h := newHouse(t, nil)
		records := &blindRecords{Records: h.records}
		h.open(t, func(c *approval.Config) {
			c.Records = records
			if shared {
				c.Shared = h.records
			}
		})
		ticket := h.ask(t, payment(5), referral(finance()))
		if !shared {
			records.broken = true
			if err := h.vote(t, ticket.Content.ID, "alice", true); err == nil {
				t.Fatal("counted by a store that fails")
			}
			records.broken = false
		}
		h.rewrite(t, ticket.Content.ID, func(stored map[string]any) { reword(t, stored, "finance must approve", "finance may approve") })
		for _, person := range []string{"bob", "carol"} {
			if err := h.vote(t, ticket.Content.ID, person, true); err == nil {
				t.Errorf("shared %v: the vote of %s counts", shared, person)
			}
		}
		if got := h.ticket(t, ticket.Content.ID); got.State != approval.StateOpen || got.Hash != ticket.Hash || len(got.Votes) != 0 {
			t.Errorf("shared %v: %s with %d votes", shared, got.State, len(got.Votes))
		}
	}
}
