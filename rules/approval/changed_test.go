package approval_test

import (
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// loaded puts a policy in force.
func (h *house) loaded(t *testing.T, text string) *rules.Engine {
	t.Helper()
	p, err := policy.Load("p.yaml", []byte("version: 1\n"+text), policy.Options{Now: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.policy = p.Hash()
	return &rules.Engine{Rules: []rules.Rule{p}, Approver: h.Queue, Ledger: h.ledger}
}

// decide has an engine decide.
func decide(t *testing.T, engine *rules.Engine, req *rules.Request) rules.Decision {
	t.Helper()
	decision, err := engine.Decide(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return decision
}

const day = `approvals:
  ops: {threshold: 1, of: [alice], wait: 5m}
  board: {threshold: 2, of: [bob, carol], wait: 0s}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
budgets:
  - {id: night, match: {kind: [transaction], time: {hours: "17:00-09:00", zone: UTC}}, measure: value, max: "10 wei", window: 24h}
rules:
`

// TestChangedMeanwhile: what people approve by day is not what the night asks of others, or
// counts against a budget of its own, whether its caller waits or comes back. It is asked
// anew.
func TestChangedMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		rules  string
		next   rules.Verdict // of the next request
		reason string
	}{
		"another rule": {`
  - {id: day, effect: allow, match: {principal: [local], to: friends, plain: true, time: {hours: "09:00-17:00", zone: UTC}}, approvals: ops}
  - {id: night, effect: allow, match: {principal: [local], to: friends, plain: true, value_max: "1 ether"}, approvals: board}
`, rules.Reject, "limit night is exceeded"},
		"a budget": {`
  - {id: any, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops}
`, rules.Reject, "limit night is exceeded"},
	} {
		for _, waits := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				h := newHouse(t, nil)
				h.clock.pass(4*time.Hour + 59*time.Minute) // 16:59
				engine := h.loaded(t, day+tt.rules)
				ctx := t.Context()
				if !waits {
					ctx = rules.Hurry(ctx)
				}
				done := make(chan rules.Decision, 1)
				go func() {
					decision, err := engine.Decide(ctx, payment(1000))
					if err != nil {
						t.Error(err)
					}
					done <- decision
				}()
				for len(h.Tickets()) == 0 {
					select {
					case <-ctx.Done():
					case <-time.After(time.Millisecond):
					}
				}
				first := h.Tickets()[0].Content.ID
				if !waits {
					if got := <-done; got.Verdict != rules.Refer {
						t.Errorf("%+v", got)
					}
				}
				h.clock.pass(2 * time.Minute) // 17:01
				if err := h.vote(t, first, "alice", true); err != nil {
					t.Fatal(err)
				}
				if waits {
					if got := <-done; got.Verdict != rules.Reject || got.Reason != "it is decided otherwise by now than when people were asked: make the request again" || got.Ticket != first {
						t.Errorf("the caller that waited: %v %q of %s", got.Verdict, got.Reason, got.Ticket)
					}
				}
				if next := decide(t, engine, payment(1000)); next.Verdict != tt.next || next.Reason != tt.reason || next.Ticket != "" {
					t.Errorf("then: %v %q of %q", next.Verdict, next.Reason, next.Ticket)
				}
				if usage, err := h.ledger.Usage(t.Context(), "night/value"); err != nil || !usage.Used.IsZero() {
					t.Errorf("%v, %v", usage, err)
				}
			})
		}
	}
}

// TestChangedIsAskedAnew: what is within the night's budget gets a ticket that counts it.
func TestChangedIsAskedAnew(t *testing.T) {
	h := newHouse(t, nil)
	h.clock.pass(4*time.Hour + 59*time.Minute)
	engine := h.loaded(t, day+`
  - {id: any, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: board}
`)
	first := decide(t, engine, payment(7))
	for _, person := range []string{"bob", "carol"} {
		if err := h.vote(t, first.Ticket, person, true); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.pass(2 * time.Minute)
	second := decide(t, engine, payment(7))
	if second.Verdict != rules.Refer || second.Ticket == first.Ticket {
		t.Fatalf("%v of %s, after %s", second.Verdict, second.Ticket, first.Ticket)
	}
	if again := decide(t, engine, payment(7)); again.Ticket != second.Ticket {
		t.Errorf("asked once more, by %s after %s", again.Ticket, second.Ticket)
	}
	for _, person := range []string{"bob", "carol"} {
		if err := h.vote(t, second.Ticket, person, true); err != nil {
			t.Fatal(err)
		}
	}
	got := decide(t, engine, payment(7))
	if got.Verdict != rules.Approve || got.Ticket != second.Ticket {
		t.Fatalf("%+v", got)
	}
	if err := engine.Settle(t.Context(), payment(7), got, rules.Result{Outcome: rules.Signed}); err != nil {
		t.Error(err)
	}
	if usage, err := h.ledger.Usage(t.Context(), "night/value"); err != nil || usage.Used.Uint64() != 7 {
		t.Errorf("%v, %v", usage, err)
	}
}
