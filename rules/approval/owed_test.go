package approval_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// failingRecords change nothing when they are told to.
type failingRecords struct {
	rules.Records
	failing bool
}

func (r *failingRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if r.failing {
		return errBoom
	}
	return r.Records.ChangeRecords(ctx, changes...)
}

// TestOwedInTheEnd: what was held for a use that could not be recorded is given back when the
// store works again, and the same request asks people anew; what the approval itself holds
// counts as long as it is there.
func TestOwedInTheEnd(t *testing.T) {
	t.Parallel()
	for name, used := range map[string]bool{"used then": true, "lapsed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var records *failingRecords
			var ledger *failingLedger
			h := newHouse(t, nil)
			h.open(t, func(c *approval.Config) {
				records, ledger = &failingRecords{Records: c.Records}, &failingLedger{Ledger: h.ledger}
				c.Records, c.Ledger = records, ledger
			})
			engine := h.loaded(t, `approvals:
  board: {threshold: 1, of: [bob], wait: 0s, expires: 3h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: small, effect: allow, match: {principal: [local], to: friends, plain: true}, over_limit: {approvals: board}, limits: [{id: day, measure: value, max: "1000 wei", window: 24h}]}
`)
			engine.Ledger = ledger
			first := decide(t, engine, payment(1800))
			if err := h.vote(t, first.Ticket, "bob", true); err != nil {
				t.Fatal(err)
			}
			records.failing, ledger.failing = true, true
			if got, err := engine.Decide(t.Context(), payment(1800)); !errors.Is(err, errBoom) {
				t.Fatalf("%+v, %v", got, err)
			}
			h.Sweep(t.Context())
			counts := func(when string, want uint64) {
				t.Helper()
				if usage, err := h.ledger.Usage(t.Context(), "day/value"); err != nil || usage.Used.Uint64() != want {
					t.Errorf("%s: %s are used, want %d; %v", when, usage.Used.Dec(), want, err)
				}
			}
			counts("while the store fails", 3600)
			records.failing, ledger.failing = false, false
			if used {
				if got := decide(t, engine, payment(1800)); got.Verdict != rules.Approve || got.Ticket != first.Ticket {
					t.Fatalf("%+v", got)
				}
				h.Sweep(t.Context())
				counts("after the use", 1800)
				return
			}
			h.Sweep(t.Context())
			counts("when it works again", 1800)
			h.clock.pass(11 * time.Minute)
			h.Sweep(t.Context())
			counts("when the approval has lapsed", 0)
			if got := decide(t, engine, payment(1800)); got.Verdict != rules.Refer || got.Ticket == first.Ticket {
				t.Errorf("%+v", got)
			}
		})
	}
}
