package storetest

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// agreeing are people who approve whatever they are asked about.
type agreeing struct {
	ledger rules.Ledger
	asked  *int
	id     rules.HoldID
}

func (a agreeing) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil
}

func (a agreeing) Ask(_ context.Context, _ *rules.Request, _ rules.Decision, id rules.HoldID) (rules.Question, error) {
	*a.asked++
	a.id = id
	return a, nil
}

func (a agreeing) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Approve, Rule: "people"}, a, nil
}

func (a agreeing) Drop() {}

func (a agreeing) Keep(context.Context) error { return nil }

func (a agreeing) Settle(ctx context.Context, _ *rules.Request, _ rules.Result) error {
	return a.ledger.Commit(ctx, a.id)
}

// counting is a rule that counts one charge, and has people approve what passes its limit.
type counting struct{ charge rules.Charge }

func (c counting) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{
		Verdict: rules.Approve, Rule: "r", Charges: []rules.Charge{c.charge},
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
		engine := &rules.Engine{Ledger: ledger, Approver: agreeing{ledger: ledger, asked: &asked}, Rules: []rules.Rule{counting{rules.Charge{
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

// lent has people approve a transaction that passes a limit: neither while they think about
// it nor afterwards does it lend its room to another one with its nonce. The same with
// higher fees is what they approved.
func lent(t *testing.T, ledger Ledger, _ *Clock) {
	asked := 0
	ask := func(to byte, tip int64, wantAsked bool) {
		t.Helper()
		before := asked
		engine := &rules.Engine{Ledger: ledger, Approver: agreeing{ledger: ledger, asked: &asked}, Rules: []rules.Rule{counting{rules.Charge{
			Counter: "daily", Limit: "daily", Slot: "1/0xa/7", Amount: units(500), Cap: units(100), Window: time.Hour,
		}}}}
		req := &rules.Request{Kind: rules.KindTransaction, Transaction: types.NewTx(&types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: 7, To: &common.Address{to}, Value: big.NewInt(500), GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(tip),
		})}
		got, err := engine.Decide(t.Context(), req)
		if err != nil || got.Verdict != rules.Approve || (asked > before) != wantAsked {
			t.Fatalf("to %d, tip %d: %v %q, %v, people asked: %v", to, tip, got.Verdict, got.Reason, err, asked > before)
		}
		if err := engine.Settle(t.Context(), req, got, rules.Result{Outcome: rules.Signed}); err != nil {
			t.Fatal(err)
		}
	}
	ask(1, 1, true)
	ask(2, 2, true)
	ask(1, 3, false)
	ask(3, 4, true)
	if usage, err := ledger.Usage(t.Context(), "daily"); err != nil || usage.Used != units(1500) {
		t.Fatalf("%+v, %v", usage, err)
	}
}
