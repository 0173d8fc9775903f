package approval_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// readyToUse is a house where a request that holds 8 is approved, and about to use it.
func readyToUse(t *testing.T, change func(*house, *approval.Config)) (*house, string, rules.Hold) {
	t.Helper()
	h := newHouse(t, nil)
	h.open(t, func(c *approval.Config) { change(h, c) })
	h.policy = before
	decision := byPolicy(before)
	decision.Charges = []rules.Charge{daily(8, "s")}
	id := h.charged(t, payment(5), decision)
	h.approve(t, id)
	_, hold := h.again(t, payment(5), decision)
	if hold == nil {
		t.Fatal("no approval")
	}
	return h, id, hold
}

// TestUseIsCheckedLast: between the approval and its use time may pass, and the policy or
// the ticket may change. It is not used then, and counts no more than before.
func TestUseIsCheckedLast(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		meanwhile func(*testing.T, *house, string)
		want      string
	}{
		"too late":       {func(_ *testing.T, h *house, _ string) { h.clock.pass(24 * time.Hour) }, "too late"},
		"another policy": {func(_ *testing.T, h *house, _ string) { h.policy = after }, "policy"},
		"too few": {func(t *testing.T, h *house, id string) {
			t.Helper()
			h.rewrite(t, id, func(stored map[string]any) { stored["votes"] = votesOf(t, stored)[:1] })
		}, "too few have approved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, id, hold := readyToUse(t, func(h *house, c *approval.Config) { c.Shared = h.records }) // it is read before it is used
			test.meanwhile(t, h, id)
			if err := hold.Keep(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("used: %v, want %s", err, test.want)
			}
			if state := h.ticket(t, id).State; state == approval.StateUsed || h.used(t) > 8 {
				t.Errorf("it is %s, and %d are counted", state, h.used(t))
			}
		})
	}
}

// uncommitted is a ledger that commits nothing.
type uncommitted struct{ *memory.Ledger }

func (uncommitted) Commit(context.Context, rules.HoldID) error { return errBoom }

// TestSignedIsCommitted: what is signed with an approval is committed; where that fails,
// the signature is withheld, and the approval is not used again.
func TestSignedIsCommitted(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		h, id, hold := readyToUse(t, func(h *house, c *approval.Config) {
			if fails {
				c.Ledger = uncommitted{h.ledger}
			}
		})
		if err := hold.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := hold.Settle(t.Context(), payment(5), rules.Result{Outcome: rules.Signed}); fails != errors.Is(err, errBoom) || !fails && err != nil {
			t.Errorf("settled: %v", err)
		}
		usage, err := h.ledger.Usage(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		held := uint64(0)
		if fails {
			held = 8
		}
		if usage.Used.Uint64() != 8 || usage.Held.Uint64() != held {
			t.Errorf("fails %v: %d counted, %d held", fails, usage.Used.Uint64(), usage.Held.Uint64())
		}
		if state := h.ticket(t, id).State; state != approval.StateSigned {
			t.Errorf("fails %v: it is %s", fails, state)
		}
	}
}

// TestEqualRequestsHoldOnce: what the second of two equal requests holds is given back
// when it finds the ticket of the first.
func TestEqualRequestsHoldOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	decision := referral(finance())
	decision.Charges = []rules.Charge{daily(5, "")}
	id := h.charged(t, payment(5), decision)
	if second := h.charged(t, payment(5), decision); second != id || h.used(t) != 5 {
		t.Errorf("tickets %s and %s hold %d", id, second, h.used(t))
	}
	if err := h.vote(t, id, "alice", false); err != nil || h.used(t) != 0 {
		t.Errorf("%d are held by a rejected ticket, %v", h.used(t), err)
	}
}
