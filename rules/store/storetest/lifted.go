package storetest

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// agreeing are people who approve whatever they are asked about. What they approve is held
// anew when it is used.
type agreeing struct {
	ledger  rules.Ledger
	asked   *int
	id      rules.HoldID
	charges []rules.Charge
}

func (a *agreeing) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil
}

func (a *agreeing) Ask(_ context.Context, _ *rules.Request, decision rules.Decision, id rules.HoldID) (rules.Question, error) {
	*a.asked++
	a.id, a.charges = id, decision.Charges
	return a, nil
}

func (a *agreeing) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Approve, Rule: "people"}, a, nil
}

func (a *agreeing) Drop() {}

func (a *agreeing) Keep(ctx context.Context) error {
	id, left, err := rules.HoldAnew(ctx, a.ledger, []rules.HoldID{a.id}, a.charges)
	for _, first := range left {
		err = errors.Join(err, a.ledger.Release(ctx, first))
	}
	a.id = id
	return err
}

func (a *agreeing) Settle(ctx context.Context, _ *rules.Request, _ rules.Result) error {
	return a.ledger.Commit(ctx, a.id)
}

// counting is a rule that counts charges, and has people approve what passes its limits.
type counting []rules.Charge

func (c counting) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{
		Verdict: rules.Approve, Rule: "r", Charges: c,
		OverLimit: &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"alice"}},
	}, nil, nil
}

// lifted has people approve amounts without a bound: each is more than the limit, what
// comes after them is theirs to approve as well, and nothing is left when the windows have
// passed.
func lifted(t *testing.T, ledger Ledger, clock *Clock) {
	asked := 0
	all := *new(uint256.Int).SetAllOne()
	ask := func(amount uint256.Int, slot string, wantAsked bool) {
		t.Helper()
		before := asked
		engine := &rules.Engine{Ledger: ledger, Approver: &agreeing{ledger: ledger, asked: &asked}, Rules: []rules.Rule{counting{{
			Counter: "daily", Limit: "daily", Slot: slot, Amount: amount, Cap: units(100), Window: time.Hour,
		}}}}
		req := &rules.Request{Kind: rules.KindText}
		got, err := engine.Decide(t.Context(), req)
		if err != nil || got.Verdict != rules.Approve || (asked > before) != wantAsked {
			t.Fatalf("%s in %q: %v %q, %v, people asked: %v", amount.Dec(), slot, got.Verdict, got.Reason, err, asked > before)
		}
		if err := engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}); err != nil {
			t.Fatal(err)
		}
	}
	ask(units(7), "", false)
	ask(units(94), "", true) // exactly
	if usage, err := ledger.Usage(t.Context(), "daily"); err != nil || usage.Used != units(101) {
		t.Fatalf("%+v, %v", usage, err)
	}
	ask(all, "nonce 1", true)
	ask(all, "nonce 2", true)
	ask(all, "nonce 2", false) // which raises nothing
	ask(units(1), "", true)
	want := units(102)
	boundless := new(uint256.Int).Lsh(uint256.NewInt(1), 192)
	want.Add(&want, boundless).Add(&want, boundless)
	if usage, err := ledger.Usage(t.Context(), "daily"); err != nil || usage.Used != want {
		t.Fatalf("%s are used, want %s; %v", usage.Used.Dec(), want.Dec(), err)
	}
	clock.Advance(time.Hour)
	ask(units(100), "", false)
	if usage, err := ledger.Usage(t.Context(), "daily"); err != nil || usage.Used != units(100) {
		t.Fatalf("%+v, %v", usage, err)
	}
}

// thinking are people who have not decided, and are asked about each request by itself.
type thinking struct{ asked *int }

func (p thinking) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil
}

func (p thinking) Ask(context.Context, *rules.Request, rules.Decision, rules.HoldID) (rules.Question, error) {
	*p.asked++
	return p, nil
}

func (p thinking) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Refer, Rule: "people"}, nil, nil
}

// lent has people approve a transaction that passes a limit: neither while they think about
// it nor afterwards does it lend its room to another one with its nonce. The same with
// higher fees is what they approved.
func lent(t *testing.T, ledger Ledger, _ *Clock) {
	asked := 0
	decide := func(to byte, tip int64, people rules.Approver, want rules.Verdict, wantAsked bool) (*rules.Engine, *rules.Request, rules.Decision) {
		t.Helper()
		before := asked
		engine := &rules.Engine{Ledger: ledger, Approver: people, Rules: []rules.Rule{counting{{
			Counter: "daily", Limit: "daily", Slot: "1/0xa/7", Amount: units(500), Cap: units(100), Window: time.Hour,
		}}}}
		req := &rules.Request{Kind: rules.KindTransaction, Transaction: types.NewTx(&types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: 7, To: &common.Address{to}, Value: big.NewInt(500), GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(tip),
		})}
		req.Digest = types.LatestSignerForChainID(big.NewInt(1)).Hash(req.Transaction)
		got, err := engine.Decide(t.Context(), req)
		if err != nil || got.Verdict != want || (asked > before) != wantAsked {
			t.Fatalf("to %d, tip %d: %v %q, %v, people asked: %v", to, tip, got.Verdict, got.Reason, err, asked > before)
		}
		return engine, req, got
	}
	for tip := range int64(3) { // of which nobody has decided any
		decide(1, tip, thinking{&asked}, rules.Refer, true)
	}
	ask := func(to byte, tip int64, wantAsked bool) {
		t.Helper()
		engine, req, got := decide(to, tip, &agreeing{ledger: ledger, asked: &asked}, rules.Approve, wantAsked)
		if err := engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}); err != nil {
			t.Fatal(err)
		}
	}
	ask(1, 4, true)
	ask(2, 5, true)
	ask(1, 6, false)
	ask(3, 7, true)
	if usage, err := ledger.Usage(t.Context(), "daily"); err != nil || usage.Used != units(3000) {
		t.Fatalf("%+v, %v", usage, err)
	}
}

// beside has people approve what passes one of two limits: the other one stays in force, for
// what they think about and for what they approve, and counts it once.
func beside(t *testing.T, ledger Ledger, clock *Clock) {
	asked := 0
	value := rules.Charge{Counter: "value", Limit: "value", Slot: "1/0xa/1", Amount: units(500), Cap: units(100), Window: time.Hour}
	fees := rules.Charge{Counter: "fees", Limit: "fees", Slot: "1/0xa/1", Amount: units(6), Cap: units(10), Window: time.Hour}
	used := func(wantValue, wantFees uint64) {
		t.Helper()
		for counter, want := range map[string]uint64{"value": wantValue, "fees": wantFees} {
			if usage, err := ledger.Usage(t.Context(), counter); err != nil || usage.Used != units(want) {
				t.Errorf("%s of %s are used, want %d; %v", usage.Used.Dec(), counter, want, err)
			}
		}
	}
	people := &agreeing{ledger: ledger, asked: &asked}
	engine := &rules.Engine{Ledger: ledger, Approver: people, Rules: []rules.Rule{counting{value, fees}}}
	req := &rules.Request{Kind: rules.KindText}
	got, err := engine.Decide(t.Context(), req)
	if err != nil || got.Verdict != rules.Approve || asked != 1 {
		t.Fatalf("%v %q, %v", got.Verdict, got.Reason, err)
	}
	if c := people.charges; len(c) != 2 || c[0].Passes != units(100) || c[0].Cap == units(100) || c[1].Cap != units(10) || !c[1].Passes.IsZero() {
		t.Errorf("asked about %+v", people.charges)
	}
	used(500, 6)
	if err := engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}); err != nil {
		t.Fatal(err)
	}
	used(500, 6)
	other := fees
	other.Slot, other.Amount = "other", units(5)
	if _, err := ledger.Hold(t.Context(), []rules.Charge{other}); err == nil {
		t.Error("the limit beside it is lifted")
	}
	// Where both are passed people are asked about both.
	people.charges = nil
	more := fees
	more.Slot, more.Amount = "1/0xa/2", units(5)
	value.Slot = "1/0xa/2"
	engine.Rules = []rules.Rule{counting{value, more}}
	if got, err := engine.Decide(t.Context(), req); err != nil || got.Verdict != rules.Approve || asked != 2 {
		t.Fatalf("%v %q, %v", got.Verdict, got.Reason, err)
	}
	if c := people.charges; len(c) != 2 || c[0].Passes != units(100) || c[1].Passes != units(10) {
		t.Errorf("asked about %+v", people.charges)
	}
	used(1000, 11)
	clock.Advance(time.Hour)
	used(0, 0)
}
