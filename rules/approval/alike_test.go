package approval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// byListener has a budget for one listener alone.
const byListener = `approvals:
  ops: {threshold: 1, of: [alice], wait: 0s, expires: 24h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
budgets:
  - {id: web, match: {listener: ws}, measure: value, max: "1 ether", window: 24h}
rules:
  - {id: any, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops}
`

// by is the same payment, asked for by a listener.
func by(listener string) *rules.Request {
	req := payment(7)
	req.Caller.Transport = listener
	return req
}

// TestAlikeByOthers: equal requests that count against other limits have tickets of their
// own, and each finds its own again: there are no more of them, what people approve is used,
// and what they reject stays so.
func TestAlikeByOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	engine := h.loaded(t, byListener)
	tickets := make(map[string]string)
	for range 3 {
		for _, listener := range []string{"http", "ws"} {
			got := decide(t, engine, by(listener))
			if first := tickets[listener]; got.Verdict != rules.Refer || first != "" && got.Ticket != first {
				t.Errorf("%s: %v of %s, after %s", listener, got.Verdict, got.Ticket, first)
			}
			tickets[listener] = got.Ticket
		}
	}
	if n := len(h.Tickets()); n != 2 || tickets["http"] == tickets["ws"] {
		t.Errorf("%d tickets: %v", n, tickets)
	}
	if err := h.vote(t, tickets["http"], "alice", false); err != nil {
		t.Fatal(err)
	}
	if err := h.vote(t, tickets["ws"], "alice", true); err != nil {
		t.Fatal(err)
	}
	h.open(t, nil) // they are found after a restart, too
	engine.Approver = h.Queue
	for range 2 {
		if got := decide(t, engine, by("http")); got.Verdict != rules.Reject || !strings.Contains(got.Reason, tickets["http"]+" was rejected by alice") {
			t.Errorf("rejected: %v %q", got.Verdict, got.Reason)
		}
	}
	if got := decide(t, engine, by("ws")); got.Verdict != rules.Approve || got.Ticket != tickets["ws"] {
		t.Errorf("approved: %v %q", got.Verdict, got.Reason)
	}
}

// TestAlikeAtOtherTimes: what was asked by day is found again the next day, though the same
// was asked by night, and rejected then.
func TestAlikeAtOtherTimes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.clock.pass(4*time.Hour + 59*time.Minute) // 16:59
	engine := h.loaded(t, `approvals:
  ops: {threshold: 1, of: [alice], wait: 0s, expires: 24h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
budgets:
  - {id: night, match: {kind: [transaction], time: {hours: "17:00-09:00", zone: UTC}}, measure: value, max: "1000 wei", window: 24h}
rules:
  - {id: any, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops}
`)
	byDay := decide(t, engine, payment(800))
	h.clock.pass(2 * time.Minute)
	byNight := decide(t, engine, payment(800))
	if byDay.Ticket == byNight.Ticket {
		t.Fatal("one ticket counts for both")
	}
	if err := h.vote(t, byNight.Ticket, "alice", false); err != nil {
		t.Fatal(err)
	}
	h.clock.pass(16 * time.Hour) // 9:01
	if err := h.vote(t, byDay.Ticket, "alice", true); err != nil {
		t.Fatal(err)
	}
	if got := decide(t, engine, payment(800)); got.Verdict != rules.Approve || got.Ticket != byDay.Ticket {
		t.Errorf("%v of %s: %q", got.Verdict, got.Ticket, got.Reason)
	}
}
