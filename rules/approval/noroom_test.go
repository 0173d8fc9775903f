package approval_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestNoRoomByThen: where others take the room of what people approved too late, its caller
// is told, the ticket ends, and the next request asks those who may let it pass; where nobody
// may it is refused until there is room.
func TestNoRoomByThen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule   string
		want   rules.Verdict // of the next request
		reason string
	}{
		"people may let it pass": {"over_limit: {approvals: board}, ", rules.Refer, "waits for 1 of ops and 2 of board until"},
		"nobody may":             {"", rules.Reject, "limit day is exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			engine := h.loaded(t, `approvals:
  ops: {threshold: 1, of: [alice], wait: 0s, expires: 3h}
  board: {threshold: 2, of: [bob, carol], wait: 0s}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: small, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops, `+tt.rule+`limits: [{id: day, measure: value, max: "1000 wei", window: 1h}]}
`)
			first := decide(t, engine, payment(800))
			h.clock.pass(61 * time.Minute)
			if _, err := h.ledger.Hold(t.Context(), []rules.Charge{{Counter: "day/value", Slot: "other", Amount: *uint256.NewInt(900), Cap: *uint256.NewInt(1000), Window: time.Hour}}); err != nil {
				t.Fatal(err)
			}
			if err := h.vote(t, first.Ticket, "alice", true); err != nil {
				t.Fatal(err)
			}
			got := decide(t, engine, payment(800))
			if got.Verdict != rules.Reject || got.Ticket != first.Ticket || got.Reason != "limit day is exceeded by now, after people approved: make the request again" ||
				!strings.Contains(got.Explanation, "900 used of 1000 in 1h0m0s, and 800 more was asked for") {
				t.Errorf("%+v", got)
			}
			if ticket := h.ticket(t, first.Ticket); ticket.State != approval.StateLapsed {
				t.Errorf("it is %s", ticket.State)
			}
			if told := h.journal.told(); !slices.Contains(told, string(approval.WhatLapsed)) {
				t.Errorf("recorded %v", told)
			}
			if usage, err := h.ledger.Usage(t.Context(), "day/value"); err != nil || usage.Used.Uint64() != 900 {
				t.Errorf("%s are used; %v", usage.Used.Dec(), err)
			}
			next := decide(t, engine, payment(800))
			if next.Verdict != tt.want || !strings.Contains(next.Reason, tt.reason) || next.Ticket == first.Ticket {
				t.Fatalf("%+v", next)
			}
			if tt.want == rules.Reject {
				return
			}
			for _, person := range []string{"alice", "bob", "carol"} {
				if err := h.vote(t, next.Ticket, person, true); err != nil {
					t.Fatal(err)
				}
			}
			if got := decide(t, engine, payment(800)); got.Verdict != rules.Approve {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestNoRoomAndNoStore: where the ticket whose limits were taken can't be ended, its caller is
// told that the state can't be used. To make the request again would not help.
func TestNoRoomAndNoStore(t *testing.T) {
	t.Parallel()
	var records *failingRecords
	h := newHouse(t, nil)
	h.open(t, func(c *approval.Config) {
		records = &failingRecords{Records: c.Records}
		c.Records = records
	})
	engine := h.loaded(t, `approvals:
  ops: {threshold: 1, of: [alice], wait: 0s, expires: 3h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: small, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops, limits: [{id: day, measure: value, max: "1000 wei", window: 1h}]}
`)
	first := decide(t, engine, payment(800))
	h.clock.pass(61 * time.Minute)
	if _, err := h.ledger.Hold(t.Context(), []rules.Charge{{Counter: "day/value", Slot: "other", Amount: *uint256.NewInt(900), Cap: *uint256.NewInt(1000), Window: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if err := h.vote(t, first.Ticket, "alice", true); err != nil {
		t.Fatal(err)
	}
	records.failing = true
	for range 2 {
		if got, err := engine.Decide(t.Context(), payment(800)); !errors.Is(err, rules.ErrNoState) || !errors.Is(err, errBoom) {
			t.Errorf("%v %q, %v", got.Verdict, got.Reason, err)
		}
	}
	records.failing = false
	if got := decide(t, engine, payment(800)); got.Verdict != rules.Reject || !strings.Contains(got.Reason, "make the request again") {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
	if ticket := h.ticket(t, first.Ticket); ticket.State != approval.StateLapsed {
		t.Errorf("it is %s", ticket.State)
	}
}
