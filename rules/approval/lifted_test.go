package approval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

const twoLimits = `approvals:
  board: {threshold: 1, of: [bob], wait: 0s, expires: 3h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - id: small
    effect: allow
    match: {principal: [local], to: friends, plain: true}
    over_limit: {approvals: board}
    limits:
      - {id: day, measure: value, max: "1000 wei", window: 1h}
      - {id: fees, measure: gas_cost, max: "50000 wei", window: 2h}
`

// TestShownLimits: people are told which limit a request passes, with its maximum, and which
// it does not pass.
func TestShownLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	engine := h.loaded(t, twoLimits)
	first := decide(t, engine, payment(1001)) // with fees of 42000
	ticket := h.ticket(t, first.Ticket)
	want := []approval.Charge{{Limit: "day", Amount: "1001", Max: "1000", Window: time.Hour}, {Limit: "fees", Amount: "42000", Cap: "50000", Window: 2 * time.Hour}}
	if got := ticket.Content.Charges; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
	s, err := sheet.Of(ticket, sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings) != 1 || s.Warnings[0] != "It passes the limit day: an approval lets it" {
		t.Errorf("%q", s.Warnings)
	}
	var limits []string
	for _, section := range s.Sections {
		for _, fact := range section.Facts {
			if fact.Name == "limit" {
				limits = append(limits, fact.Text+" ("+fact.Note+")")
			}
		}
	}
	if got := strings.Join(limits, "; "); got != "1001 of 1000 in 1h, which with what counts already is MORE THAN THE LIMIT (day); 42000 of 50000 in 2h (fees)" {
		t.Error(got)
	}
}

// TestOtherLimitsHold: what people let pass one limit passes no other one, and counts for
// each once.
func TestOtherLimitsHold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pass time.Duration // while people think
		room uint64        // of the fees that others take then
		want rules.Verdict
	}{
		"at once": {want: rules.Approve},
		"late":    {pass: 110 * time.Minute, want: rules.Approve},
		"expired": {pass: 121 * time.Minute, room: 8000, want: rules.Approve},
		"taken":   {pass: 121 * time.Minute, room: 8001, want: rules.Reject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			engine := h.loaded(t, twoLimits)
			first := decide(t, engine, payment(1001))
			h.clock.pass(tt.pass)
			if tt.room > 0 {
				if _, err := h.ledger.Hold(t.Context(), []rules.Charge{{Counter: "fees/gas_cost", Slot: "other", Amount: *uint256.NewInt(tt.room), Cap: *uint256.NewInt(50000), Window: 2 * time.Hour}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.vote(t, first.Ticket, "bob", true); err != nil {
				t.Fatal(err)
			}
			got, err := engine.Decide(t.Context(), payment(1001))
			if tt.want != rules.Approve {
				if err != nil || got.Verdict != tt.want {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil || got.Verdict != rules.Approve {
				t.Fatalf("%+v, %v", got, err)
			}
			if err := engine.Settle(t.Context(), payment(1001), got, rules.Result{Outcome: rules.Signed}); err != nil {
				t.Error(err)
			}
			for counter, want := range map[string]uint64{"day/value": 1001, "fees/gas_cost": 42000 + tt.room} {
				if usage, err := h.ledger.Usage(t.Context(), counter); err != nil || usage.Used.Uint64() != want {
					t.Errorf("%s: %s, want %d; %v", counter, usage.Used.Dec(), want, err)
				}
			}
		})
	}
}

// TestAskedForTooMuch: what people are asked about takes the room of others, so that nothing
// adds up beyond the limit unseen; not where each has a total of its own.
func TestAskedForTooMuch(t *testing.T) {
	t.Parallel()
	for per, want := range map[string]rules.Verdict{"[account]": rules.Refer, "[principal]": rules.Approve} {
		h := newHouse(t, nil)
		engine := h.loaded(t, `approvals:
  board: {threshold: 1, of: [bob], wait: 0s, expires: 720h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: small, effect: allow, match: {principal: [payroll, intern], to: friends, plain: true}, over_limit: {approvals: board}, limits: [{measure: value, max: "1000 wei", per: `+per+`, window: 7d}]}
`)
		for _, ask := range []struct {
			who  string
			wei  int64
			want rules.Verdict
		}{{"intern", 1_000_000, rules.Refer}, {"payroll", 10, want}} {
			req := payment(ask.wei)
			req.Principal = ask.who
			if got := decide(t, engine, req); got.Verdict != ask.want {
				t.Errorf("%q: %s is told %v %q", per, ask.who, got.Verdict, got.Reason)
			}
		}
	}
}

// TestTooMuchToHold: nobody is asked about an amount that could never be held twice, as it must
// be when its approval is used.
func TestTooMuchToHold(t *testing.T) {
	t.Parallel()
	var half, most uint256.Int
	half.Lsh(half.SetOne(), 255)
	most.SubUint64(&half, 1)
	for name, tt := range map[string]struct {
		amount uint256.Int
		want   rules.Verdict
	}{
		"2^255":         {half, rules.Reject},
		"one unit less": {most, rules.Refer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			var maximum uint256.Int
			maximum.Lsh(maximum.SetOne(), 200)
			engine := &rules.Engine{Rules: []rules.Rule{script{rules.Decision{
				Verdict: rules.Approve, Rule: "any", OverLimit: &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"bob"}, Expires: time.Hour},
				Charges: []rules.Charge{{Counter: "c", Limit: "all", Slot: "s", Amount: tt.amount, Cap: maximum, Window: time.Hour}},
			}}}, Approver: h.Queue, Ledger: h.ledger}
			first := decide(t, engine, payment(1))
			if first.Verdict != tt.want || tt.want == rules.Reject && first.Reason != "limit all is exceeded" {
				t.Fatalf("%v %q", first.Verdict, first.Reason)
			}
			if tt.want == rules.Reject {
				return
			}
			if err := h.vote(t, first.Ticket, "bob", true); err != nil {
				t.Fatal(err)
			}
			if got := decide(t, engine, payment(1)); got.Verdict != rules.Approve {
				t.Errorf("%v %q", got.Verdict, got.Reason)
			}
		})
	}
}

// TestCountsAll: a budget, or a limit, with a maximum that nothing passes is not told as one
// that is passed, and one of nothing is.
func TestCountsAll(t *testing.T) {
	t.Parallel()
	const all = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
	for name, tt := range map[string]struct{ budget, limit string }{
		"nothing passes":        {all, all},
		"a limit of nothing is": {all, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			engine := h.loaded(t, `approvals:
  ops: {threshold: 1, of: [alice], wait: 0s}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
budgets: [{id: seen, match: {kind: [transaction]}, measure: value, max: "`+tt.budget+` wei", window: 24h}]
rules:
  - {id: any, effect: allow, match: {principal: [local], to: friends, plain: true}, approvals: ops, over_limit: {approvals: ops}, limits: [{id: day, measure: value, max: "`+tt.limit+` wei", window: 24h}]}
`)
			s, err := sheet.Of(h.ticket(t, decide(t, engine, payment(5)).Ticket), sheet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tt.limit == "0" {
				want = []string{"It passes the limit day: an approval lets it"}
			}
			if !slices.Equal(s.Warnings, want) {
				t.Errorf("%q", s.Warnings)
			}
		})
	}
}
