package rules_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// cappedLedger has a total that is used up, and notes what is held.
type cappedLedger struct {
	used uint256.Int
	full bool
	held [][]rules.Charge
	done []string
}

func (l *cappedLedger) Hold(_ context.Context, charges []rules.Charge) (rules.HoldID, error) {
	for _, charge := range charges {
		if l.full {
			return 0, &rules.SlotError{Charge: charge}
		}
		if total := new(uint256.Int).Add(&l.used, &charge.Amount); total.Gt(&charge.Cap) {
			return 0, &rules.OverLimitError{Charge: charge, Used: l.used, Raise: charge.Amount, Room: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		}
	}
	l.held = append(l.held, charges)
	return 1, nil
}

func (l *cappedLedger) Commit(context.Context, rules.HoldID) error {
	l.done = append(l.done, "commit")
	return nil
}

func (l *cappedLedger) Release(context.Context, rules.HoldID) error {
	l.done = append(l.done, "release")
	return nil
}

// TestOverLimit has a charge of 8 with 95 of 100 used.
func TestOverLimit(t *testing.T) {
	t.Parallel()
	soft := rules.Charge{Counter: "daily/value/account=0x71", Limit: "daily", Amount: *uint256.NewInt(8), Cap: *uint256.NewInt(100), Window: time.Hour}
	firm := soft
	firm.Limit, firm.Firm = "fleet", true
	for name, tt := range map[string]struct {
		charge  rules.Charge
		group   *rules.Quorum
		verdict rules.Verdict // of the rule
		people  rules.Verdict // Undecided: there are none
		full    bool

		want   rules.Verdict
		reason string
		asked  bool
	}{
		"nobody may":                {charge: soft, verdict: rules.Approve, people: rules.Approve, want: rules.Reject, reason: "limit daily is exceeded"},
		"nobody is there":           {charge: soft, group: board(), verdict: rules.Approve, want: rules.Reject, reason: "limit daily is exceeded, and board may approve that; no approver is configured"},
		"people approve":            {charge: soft, group: board(), verdict: rules.Approve, people: rules.Approve, want: rules.Approve, asked: true},
		"people reject":             {charge: soft, group: board(), verdict: rules.Approve, people: rules.Reject, want: rules.Reject, asked: true},
		"people approve a referral": {charge: soft, group: board(), verdict: rules.Refer, people: rules.Approve, want: rules.Approve, asked: true},
		"a firm limit":              {charge: firm, group: board(), verdict: rules.Approve, people: rules.Approve, want: rules.Reject, reason: "limit fleet is exceeded"},
		"too often":                 {charge: soft, group: board(), verdict: rules.Approve, people: rules.Approve, full: true, want: rules.Reject, reason: "it was asked for too often"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := &cappedLedger{used: *uint256.NewInt(95), full: tt.full}
			var asked []rules.Decision
			engine := &rules.Engine{Ledger: ledger, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
				Verdict: tt.verdict, Rule: "pay", OverLimit: tt.group, Charges: []rules.Charge{tt.charge}, Explanation: "because",
			}}}}
			if tt.people != rules.Undecided {
				engine.Approver = people{ledger: ledger, asked: &asked, verdict: tt.people}
			}
			req := &rules.Request{Kind: rules.KindText}
			got, err := engine.Decide(t.Context(), req)
			if err != nil || got.Verdict != tt.want || got.Reason != tt.reason {
				t.Fatalf("%v %q, %v", got.Verdict, got.Reason, err)
			}
			if !tt.full && (!strings.Contains(got.Explanation, "95 used of 100 in 1h0m0s, and 8 more was asked for; there is room from 2026-03-01T12:00:00Z") ||
				!strings.HasSuffix(got.Explanation, "because")) {
				t.Errorf("explained by %q", got.Explanation)
			}
			if tt.asked != (len(asked) == 1) || tt.asked && (rules.Quorums(asked[0].Quorums) != "1 of board" || asked[0].Verdict != rules.Refer) {
				t.Errorf("asked %+v", asked)
			}
			if tt.asked && len(ledger.held) != 1 {
				t.Errorf("what people think about is held %d times", len(ledger.held))
			}
			if got.Verdict == rules.Approve {
				if err := engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}); err != nil {
					t.Error(err)
				}
			}
			want := map[rules.Verdict]string{rules.Approve: "commit", rules.Reject: "release"}[tt.want]
			if done := strings.Join(ledger.done, ", "); tt.asked && done != want || !tt.asked && done != "" {
				t.Errorf("%s, want %s", done, want)
			}
		})
	}
}

// TestCapsAboveWhatIsBounded: an amount above a cap is over the limit, also where the cap is
// more than what an amount without a bound counts with.
func TestCapsAboveWhatIsBounded(t *testing.T) {
	t.Parallel()
	high := rules.Charge{Counter: "a", Limit: "daily", Window: time.Hour}
	high.Cap.Lsh(uint256.NewInt(1), 200)
	high.Amount.Lsh(uint256.NewInt(1), 201)
	engine := &rules.Engine{Ledger: new(cappedLedger), Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
		Verdict: rules.Approve, Rule: "pay", Charges: []rules.Charge{high},
	}}}}
	if got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText}); err != nil || got.Verdict != rules.Reject {
		t.Errorf("%v, %v", got.Verdict, err)
	}
}

// TestOverLimitBesideFirm: what people may lift leaves firm limits in force.
func TestOverLimitBesideFirm(t *testing.T) {
	t.Parallel()
	ledger := &cappedLedger{used: *uint256.NewInt(95)}
	soft := rules.Charge{Counter: "a", Limit: "daily", Amount: *uint256.NewInt(8), Cap: *uint256.NewInt(100), Window: time.Hour}
	firm := rules.Charge{Counter: "b", Limit: "fleet", Amount: *uint256.NewInt(6), Cap: *uint256.NewInt(100), Window: time.Hour, Firm: true}
	var asked []rules.Decision
	engine := &rules.Engine{Ledger: ledger, Approver: people{ledger: ledger, asked: &asked, verdict: rules.Approve}, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
		Verdict: rules.Approve, Rule: "pay", OverLimit: board(), Charges: []rules.Charge{soft, firm},
	}}}}
	got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
	if err != nil || got.Verdict != rules.Reject || got.Reason != "limit fleet is exceeded" || len(asked) != 0 {
		t.Errorf("%v %q, %v; asked %v", got.Verdict, got.Reason, err, asked)
	}
}

// listedLedger has counters that have no room, and counts how often it was asked.
type listedLedger struct {
	full  map[string]bool
	asked int
}

func (l *listedLedger) Hold(_ context.Context, charges []rules.Charge) (rules.HoldID, error) {
	l.asked++
	for _, charge := range charges {
		if l.full[charge.Counter] && charge.Cap == *uint256.NewInt(100) {
			return 0, &rules.OverLimitError{Charge: charge}
		}
	}
	return 1, nil
}

func (l *listedLedger) Commit(context.Context, rules.HoldID) error { return nil }

func (l *listedLedger) Release(context.Context, rules.HoldID) error { return nil }

// TestLifted: people are asked about the limits that would be passed, and about no other;
// of many totals that takes a bounded number of tries.
func TestLifted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		full  []int // charges that have no room
		firm  int   // the charge that nobody may approve the passing of; -1: none
		tries int
	}{
		"one":                  {[]int{3}, -1, 2},
		"the first":            {[]int{0}, -1, 2},
		"two":                  {[]int{3, 7}, -1, 3},
		"eight of one limit":   {[]int{0, 2, 4, 6, 8, 10, 12, 14}, -1, 9},
		"a firm one as well":   {[]int{3, 7}, 7, 0},
		"a firm one, not full": {[]int{3}, 7, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := &listedLedger{full: make(map[string]bool)}
			charges := make([]rules.Charge, 20)
			for i := range charges {
				charges[i] = rules.Charge{
					Counter: fmt.Sprint(i), Limit: []string{"even", "odd"}[i%2], Slot: "s", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: time.Hour, Firm: i == tt.firm,
				}
			}
			for _, i := range tt.full {
				ledger.full[fmt.Sprint(i)] = true
			}
			var asked []rules.Decision
			engine := &rules.Engine{Ledger: ledger, Approver: people{ledger: ledger, asked: &asked, verdict: rules.Approve}, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
				Verdict: rules.Approve, OverLimit: board(), Charges: charges,
			}}}}
			got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
			if tt.tries == 0 {
				if err != nil || got.Verdict != rules.Reject || got.Reason != "limit odd is exceeded" || len(asked) != 0 {
					t.Errorf("%+v, %v; asked %v", got, err, asked)
				}
				return
			}
			if err != nil || len(asked) != 1 || ledger.asked != tt.tries {
				t.Fatalf("%+v, %v; asked %v, after %d tries", got, err, asked, ledger.asked)
			}
			for i, c := range asked[0].Charges {
				passes := slices.Contains(tt.full, i)
				if passed := c.Passes == *uint256.NewInt(100); passed != passes || (c.Cap == *uint256.NewInt(100)) == passes {
					t.Errorf("charge %d: passes %s, cap %s", i, c.Passes.Dec(), c.Cap.Dec())
				}
			}
			if n := strings.Count(asked[0].Explanation, "limit "); n != len(tt.full) {
				t.Errorf("explained by %q", asked[0].Explanation)
			}
		})
	}
}

// TestLiftedMany: a batch that passes the limits of many recipients takes a few tries.
func TestLiftedMany(t *testing.T) {
	t.Parallel()
	ledger := &listedLedger{full: make(map[string]bool)}
	charges := make([]rules.Charge, 1000)
	for i := range charges {
		charges[i] = rules.Charge{Counter: fmt.Sprint(i), Limit: fmt.Sprint(i % 5), Slot: "s", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: time.Hour}
		ledger.full[fmt.Sprint(i)] = i%5 != 4
	}
	var asked []rules.Decision
	engine := &rules.Engine{Ledger: ledger, Approver: people{ledger: ledger, asked: &asked, verdict: rules.Approve}, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
		Verdict: rules.Approve, OverLimit: board(), Charges: charges,
	}}}}
	if _, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText}); err != nil || len(asked) != 1 || ledger.asked > 14 {
		t.Fatalf("%v; asked %d, after %d tries", err, len(asked), ledger.asked)
	}
	for i, c := range asked[0].Charges {
		if passed := !c.Passes.IsZero(); passed != (i%5 != 4) {
			t.Fatalf("charge %d: passes %s", i, c.Passes.Dec())
		}
	}
}

// TestTooManyTotals: a batch that counts for more totals than a hold may have is refused,
// naming the limit, and is no failure of the state.
func TestTooManyTotals(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]rules.Verdict{rules.MaxCharges: rules.Approve, rules.MaxCharges + 1: rules.Reject} {
		charges := make([]rules.Charge, n)
		for i := range charges {
			charges[i] = rules.Charge{Counter: fmt.Sprint(i), Limit: []string{"all", "each"}[min(i, 1)], Slot: "s", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: time.Hour}
		}
		ledger := new(cappedLedger)
		engine := &rules.Engine{Ledger: ledger, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{Verdict: rules.Approve, Rule: "pay", OverLimit: board(), Charges: charges}}}}
		got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
		if err != nil || got.Verdict != want || (len(ledger.held) == 1) != (want == rules.Approve) {
			t.Errorf("%d: %v %q, %v; held %d times", n, got.Verdict, got.Reason, err, len(ledger.held))
		}
		if want == rules.Reject && got.Reason != "it counts for 1025 totals at once, 1024 of them of limit each, and may for 1024: ask for less at once" {
			t.Error(got.Reason)
		}
	}
}

// TestWithinLimits: whoever is asked anyway learns of no limit that has room.
func TestWithinLimits(t *testing.T) {
	t.Parallel()
	var asked []rules.Decision
	charge := rules.Charge{Counter: "a", Amount: *uint256.NewInt(5), Cap: *uint256.NewInt(100), Window: time.Hour}
	ledger := &cappedLedger{used: *uint256.NewInt(95)}
	engine := &rules.Engine{Ledger: ledger, Approver: people{ledger: ledger, asked: &asked, verdict: rules.Approve}, Rules: []rules.Rule{explainingRule{Decision: rules.Decision{
		Verdict: rules.Refer, Rule: "pay", OverLimit: board(), Charges: []rules.Charge{charge},
	}}}}
	if got, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText}); err != nil || got.Verdict != rules.Approve || len(asked) != 1 || asked[0].Quorums != nil {
		t.Errorf("%v, %v; asked %+v", got, err, asked)
	}
}

func TestCheckCharges(t *testing.T) {
	t.Parallel()
	good := rules.Charge{Counter: "a", Slot: strings.Repeat("s", rules.MaxSlot), Window: 1}
	if err := rules.CheckCharges([]rules.Charge{good}); err != nil {
		t.Error(err)
	}
	bad := map[string]rules.Charge{
		"no counter":      {Window: 1},
		"a long counter":  {Counter: strings.Repeat("c", rules.MaxCounter+1), Window: 1},
		"a long slot":     {Counter: "a", Slot: good.Slot + "s", Window: 1},
		"no window":       {Counter: "a"},
		"a window behind": {Counter: "a", Window: -1},
	}
	for name, charge := range bad {
		if err := rules.CheckCharges([]rules.Charge{good, charge}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if rules.CheckCharges(nil) == nil || rules.CheckCharges(make([]rules.Charge, rules.MaxCharges+1)) == nil {
		t.Error("none, or too many: no error")
	}
}

// board is one of two people.
func board() *rules.Quorum {
	return &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"alice", "bob"}}
}
