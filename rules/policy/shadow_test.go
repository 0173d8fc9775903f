package policy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// fixedRule decides as it is told.
type fixedRule rules.Verdict

func (f fixedRule) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Verdict(f), Rule: "live"}, nil, nil
}

// TestShadowDecidesNothing: the rule's answer is the answer, and what the
// candidate would have decided otherwise is told, also by its own limits.
func TestShadowDecidesNothing(t *testing.T) {
	candidate, err := Load("next.yaml", []byte(`
version: 1
rules:
  - id: pay
    effect: allow
    match: {kind: [transaction], chain: [1], value_max: "5 wei"}
    limits: [{measure: value, max: "8 wei", window: 24h}]
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	pay := func(nonce uint64, wei int64) *rules.Request {
		return &rules.Request{
			Kind: rules.KindTransaction, ChainID: big.NewInt(1),
			Transaction: types.NewTx(&types.LegacyTx{Nonce: nonce, To: &common.Address{1}, Value: big.NewInt(wei), Gas: 21000, GasPrice: big.NewInt(1)}),
		}
	}
	var log bytes.Buffer
	for _, live := range []rules.Verdict{rules.Approve, rules.Reject} {
		log.Reset()
		shadow := &Shadow{Rule: fixedRule(live), Candidate: candidate, Ledger: memory.NewLedger(nil), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		would := []rules.Verdict{rules.Approve, rules.Reject, rules.Reject, rules.Approve}
		for i, req := range []*rules.Request{pay(1, 5), pay(2, 5), pay(3, 6), pay(1, 5)} {
			before := log.Len()
			decision, hold, err := shadow.Evaluate(t.Context(), req)
			if err != nil || hold != nil || decision.Verdict != live || decision.Rule != "live" || len(decision.Charges) > 0 {
				t.Fatalf("request %d: %+v, %v", i, decision, err)
			}
			if told := log.Len() > before; told != (would[i] != live) {
				t.Errorf("request %d, live %v: told %v\n%s", i, live, told, log.String()[before:])
			}
		}
		if judged, differed := shadow.Judged(); judged != 4 || differed != 2 {
			t.Errorf("live %v: %d judged, %d differed", live, judged, differed)
		}
	}
	if !strings.Contains(log.String(), "candidate_verdict=approve candidate_rule=pay") {
		t.Errorf("got %s", log.String())
	}

	// A candidate that crashes harms nobody.
	log.Reset()
	crashing := &Shadow{Rule: fixedRule(rules.Approve), Candidate: candidate, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if decision, _, err := crashing.Evaluate(t.Context(), pay(1, 5)); err != nil || decision.Verdict != rules.Approve {
		t.Errorf("got %+v, %v", decision, err)
	}
	if !strings.Contains(log.String(), "Candidate policy crashed") {
		t.Errorf("got %s", log.String())
	}

	// What its limits take of the memory is bounded, and that is told once.
	log.Reset()
	full := &Shadow{Rule: fixedRule(rules.Approve), Candidate: candidate, Ledger: memory.NewLedger(nil), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	full.counted.Store(maxShadowCharges)
	for nonce := range uint64(4) {
		if _, _, err := full.Evaluate(t.Context(), pay(nonce, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if told := strings.Count(log.String(), "without its limits"); told != 1 || full.differed.Load() != 0 {
		t.Errorf("told %d times, %d differed\n%s", told, full.differed.Load(), log.String())
	}
}

// failingRule is a rule that can't decide.
type failingRule struct{ err error }

func (f failingRule) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{}, nil, f.err
}

// TestShadowOfAFailure: that the rule fails is told, and the candidate is not asked.
func TestShadowOfAFailure(t *testing.T) {
	t.Parallel()
	shadow := &Shadow{Rule: failingRule{errors.New("disk full")}, Candidate: &Policy{}, Ledger: memory.NewLedger(nil), Logger: slog.New(slog.DiscardHandler)}
	if _, _, err := shadow.Evaluate(t.Context(), &rules.Request{Kind: rules.KindText}); !errors.Is(err, shadow.Rule.(failingRule).err) {
		t.Errorf("%v", err)
	}
	if judged, _ := shadow.Judged(); judged != 0 {
		t.Errorf("judged %d", judged)
	}
}
