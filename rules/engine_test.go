package rules_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

var errBoom = errors.New("boom")

// scriptedRule answers as it is told and writes down what happens to its hold.
type scriptedRule struct {
	verdict rules.Verdict
	charges []rules.Charge
	board   *rules.Quorum
	fail    error
	crash   bool
	keep    error
	settle  error
	log     *[]string
}

func (r scriptedRule) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	if r.crash {
		panic("boom")
	}
	if r.fail != nil {
		return rules.Decision{Verdict: rules.Approve, Rule: "scripted"}, nil, r.fail
	}
	return rules.Decision{Verdict: r.verdict, Rule: "scripted", Reason: "so told", Charges: r.charges, OverLimit: r.board}, scriptedHold(r), nil
}

type scriptedHold scriptedRule

func (h scriptedHold) note(what string) { *h.log = append(*h.log, what) }

func (h scriptedHold) Drop() { h.note("drop") }

func (h scriptedHold) Keep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.note("keep")
	return h.keep
}

func (h scriptedHold) Settle(ctx context.Context, _ *rules.Request, result rules.Result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.note("settle " + result.Outcome.String())
	return h.settle
}

// resumedRule keeps something aside when people have approved.
type resumedRule struct{ scriptedRule }

func (r resumedRule) Resume(context.Context, *rules.Request, rules.Decision) (rules.Hold, error) {
	*r.log = append(*r.log, "resume")
	return scriptedHold(r.scriptedRule), r.fail
}

// scriptedLedger counts one charge at a time.
type scriptedLedger struct {
	hold   error
	settle error // of Commit and Release
	log    *[]string
}

func (l scriptedLedger) Hold(ctx context.Context, _ []rules.Charge) (rules.HoldID, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	*l.log = append(*l.log, "hold")
	if l.hold != nil {
		return 0, l.hold
	}
	return 7, nil
}

func (l scriptedLedger) Commit(ctx context.Context, id rules.HoldID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	*l.log = append(*l.log, "commit")
	return errors.Join(l.settle, wrongID(id))
}

func (l scriptedLedger) Release(ctx context.Context, id rules.HoldID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	*l.log = append(*l.log, "release")
	return errors.Join(l.settle, wrongID(id))
}

func wrongID(id rules.HoldID) error {
	if id != 7 {
		return errors.New("another hold's id")
	}
	return nil
}

// people resolve every referral in the same way. They give back what is held
// unless they approve.
type people struct {
	ledger  rules.Ledger
	asked   *[]rules.Decision // nil: nobody wants to know
	verdict rules.Verdict
	fail    error
}

func (p people) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil
}

func (p people) Ask(_ context.Context, _ *rules.Request, referral rules.Decision, limits rules.HoldID) (rules.Question, error) {
	if p.asked != nil {
		*p.asked = append(*p.asked, referral)
	}
	return answer{p, limits}, nil
}

// answer is what people answer.
type answer struct {
	people
	limits rules.HoldID
}

func (a answer) Await(ctx context.Context) (rules.Decision, rules.Hold, error) {
	decision := rules.Decision{Verdict: a.verdict, Rule: "people"}
	switch {
	case a.fail == nil && a.verdict == rules.Approve:
		return decision, a, nil
	case a.limits != 0:
		return decision, nil, errors.Join(a.fail, a.ledger.Release(ctx, a.limits))
	default:
		return decision, nil, a.fail
	}
}

func (a answer) Drop()                      {}
func (a answer) Keep(context.Context) error { return nil }

func (a answer) Settle(ctx context.Context, _ *rules.Request, result rules.Result) error {
	switch {
	case a.limits == 0:
		return nil
	case result.Outcome == rules.Signed:
		return a.ledger.Commit(ctx, a.limits)
	default:
		return a.ledger.Release(ctx, a.limits)
	}
}

func charge() []rules.Charge {
	return []rules.Charge{{Counter: "c", Amount: *uint256.NewInt(2), Cap: *uint256.NewInt(1), Window: time.Hour}}
}

// engineCase is a rule, what stands around it, and what comes of both.
type engineCase struct {
	rule     scriptedRule
	ledger   *scriptedLedger // nil: none
	approver rules.Approver
	outcome  rules.Outcome

	verdict rules.Verdict
	fails   bool // to decide
	unsound bool // settling fails: the signature is withheld
	log     string
}

// TestEngine takes a request all the way: what stands is kept, held and
// settled once; what falls leaves nothing behind.
func TestEngine(t *testing.T) {
	over := &rules.OverLimitError{Charge: charge()[0]}
	for name, test := range map[string]engineCase{
		"approved and signed":          {rule: scriptedRule{verdict: rules.Approve}, outcome: rules.Signed, verdict: rules.Approve, log: "keep, settle signed"},
		"approved, unclear":            {rule: scriptedRule{verdict: rules.Approve}, verdict: rules.Approve, log: "keep, settle unknown"},
		"rejected":                     {rule: scriptedRule{verdict: rules.Reject}, verdict: rules.Reject, log: "keep"},
		"rejected, not kept":           {rule: scriptedRule{verdict: rules.Reject, keep: errBoom}, verdict: rules.Reject, fails: true, log: "keep"},
		"undecided":                    {rule: scriptedRule{}, verdict: rules.Reject, log: "drop"},
		"no such verdict":              {rule: scriptedRule{verdict: 99}, verdict: rules.Reject, log: "drop"},
		"fails":                        {rule: scriptedRule{fail: errBoom}, fails: true},
		"crashes":                      {rule: scriptedRule{crash: true}, fails: true},
		"approved, not kept":           {rule: scriptedRule{verdict: rules.Approve, keep: errBoom}, fails: true, log: "keep"},
		"approved, not settled":        {rule: scriptedRule{verdict: rules.Approve, settle: errBoom}, outcome: rules.Signed, verdict: rules.Approve, unsound: true, log: "keep, settle signed"},
		"referred to nobody":           {rule: scriptedRule{verdict: rules.Refer}, verdict: rules.Reject, log: "drop"},
		"referred and approved":        {rule: scriptedRule{verdict: rules.Refer}, approver: people{verdict: rules.Approve}, verdict: rules.Approve, log: "drop"},
		"referred and rejected":        {rule: scriptedRule{verdict: rules.Refer}, approver: people{verdict: rules.Reject}, verdict: rules.Reject, log: "drop"},
		"referred, people fail":        {rule: scriptedRule{verdict: rules.Refer}, approver: people{verdict: rules.Approve, fail: errBoom}, fails: true, log: "drop"},
		"charges without a ledger":     {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, fails: true, log: "drop"},
		"within limits, signed":        {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{}, outcome: rules.Signed, verdict: rules.Approve, log: "hold, keep, settle signed, commit"},
		"within limits, not signed":    {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{}, outcome: rules.NotSigned, verdict: rules.Approve, log: "hold, keep, settle not signed, release"},
		"within limits, not committed": {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{settle: errBoom}, outcome: rules.Signed, verdict: rules.Approve, unsound: true, log: "hold, keep, settle signed, commit"},
		"within limits, not released":  {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{settle: errBoom}, outcome: rules.NotSigned, verdict: rules.Approve, unsound: true, log: "hold, keep, settle not signed, release"},
		"within limits, unclear":       {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{}, verdict: rules.Approve, log: "hold, keep, settle unknown"},
		"over a limit":                 {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{hold: over}, verdict: rules.Reject, log: "hold, drop"},
		"ledger fails":                 {rule: scriptedRule{verdict: rules.Approve, charges: charge()}, ledger: &scriptedLedger{hold: errBoom}, fails: true, log: "hold, drop"},
		"within limits, not kept":      {rule: scriptedRule{verdict: rules.Approve, charges: charge(), keep: errBoom}, ledger: &scriptedLedger{}, fails: true, log: "hold, keep, release"},
		"limits held for people":       {rule: scriptedRule{verdict: rules.Refer, charges: charge()}, ledger: &scriptedLedger{}, approver: people{verdict: rules.Approve}, outcome: rules.Signed, verdict: rules.Approve, log: "hold, drop, commit"},
		"limits given back by people":  {rule: scriptedRule{verdict: rules.Refer, charges: charge()}, ledger: &scriptedLedger{}, approver: people{verdict: rules.Reject}, verdict: rules.Reject, log: "hold, drop, release"},
		"limits given back, undecided": {rule: scriptedRule{verdict: rules.Refer, charges: charge()}, ledger: &scriptedLedger{}, approver: people{}, verdict: rules.Undecided, log: "hold, drop, release"},
	} {
		t.Run(name, func(t *testing.T) { test.run(t) })
	}
}

func (test engineCase) run(t *testing.T) {
	t.Helper()
	var log []string
	test.rule.log = &log
	engine := &rules.Engine{Rules: []rules.Rule{test.rule}, Approver: test.approver}
	if asked, ok := test.approver.(people); ok && test.ledger != nil {
		test.ledger.log = &log
		asked.ledger = *test.ledger
		engine.Approver = asked
	}
	if test.ledger != nil {
		test.ledger.log = &log
		engine.Ledger = test.ledger
	}
	req := &rules.Request{Kind: rules.KindText}
	decision, err := engine.Decide(t.Context(), req)
	if test.fails != (err != nil) {
		t.Fatalf("error %v", err)
	}
	if err == nil && decision.Verdict != test.verdict {
		t.Errorf("verdict %v (%s), want %v", decision.Verdict, decision.Reason, test.verdict)
	}
	approved := err == nil && test.verdict == rules.Approve
	result := rules.Result{Outcome: test.outcome}
	if err := engine.Settle(t.Context(), req, decision, result); approved && (err != nil) != test.unsound || !approved && err == nil {
		t.Errorf("settled with %v", err)
	}
	if err := engine.Settle(t.Context(), req, decision, result); err == nil {
		t.Error("settled twice")
	}
	if got := strings.Join(log, ", "); got != test.log {
		t.Errorf("%s, want %s", got, test.log)
	}
}

// TestEngineResumes: a rule that referred a request is told that people have
// approved it, and of what became of it; if it then fails, nothing is signed, or
// nothing is released.
func TestEngineResumes(t *testing.T) {
	for _, test := range []struct {
		people       people
		keep, settle error
		log          string
	}{
		{people{verdict: rules.Approve}, nil, nil, "drop, resume, keep, settle signed"},
		{people{verdict: rules.Approve}, nil, errBoom, "drop, resume, keep, settle signed"},
		{people{verdict: rules.Approve}, errBoom, nil, "drop, resume, keep"},
		{people{verdict: rules.Reject}, nil, nil, "drop"},
	} {
		var log []string
		rule := resumedRule{scriptedRule{verdict: rules.Refer, keep: test.keep, settle: test.settle, log: &log}}
		engine := &rules.Engine{Rules: []rules.Rule{rule}, Approver: test.people}
		req := &rules.Request{Kind: rules.KindTransaction}
		decision, err := engine.Decide(t.Context(), req)
		if !errors.Is(err, test.keep) {
			t.Errorf("error %v, want %v", err, test.keep)
		}
		settled := engine.Settle(t.Context(), req, decision, rules.Result{Outcome: rules.Signed})
		if stands := test.people.verdict == rules.Approve && test.keep == nil && test.settle == nil; stands != (settled == nil) {
			t.Errorf("settled with %v", settled)
		}
		if got := strings.Join(log, ", "); got != test.log {
			t.Errorf("%s, want %s", got, test.log)
		}
	}
}

// brokenLedger panics at one of its calls.
type brokenLedger struct {
	at  string
	log *[]string
}

func (l brokenLedger) call(name string) error {
	*l.log = append(*l.log, name)
	if name == l.at {
		panic("boom")
	}
	return nil
}

func (l brokenLedger) Hold(context.Context, []rules.Charge) (rules.HoldID, error) {
	return 7, l.call("hold")
}

func (l brokenLedger) Commit(context.Context, rules.HoldID) error  { return l.call("commit") }
func (l brokenLedger) Release(context.Context, rules.HoldID) error { return l.call("release") }

// TestEngineBrokenLedger: a ledger that panics fails the request, and what the rule
// keeps aside, such as a lock, is let go of all the same.
func TestEngineBrokenLedger(t *testing.T) {
	for at, want := range map[string]string{
		"hold":    "hold, drop",
		"release": "hold, keep, release", // it could not be kept
		"commit":  "hold, keep, settle signed, commit",
	} {
		var log []string
		rule := scriptedRule{verdict: rules.Approve, charges: charge(), log: &log}
		if at == "release" {
			rule.keep = errBoom
		}
		engine := &rules.Engine{Rules: []rules.Rule{rule}, Ledger: brokenLedger{at, &log}}
		req := &rules.Request{Kind: rules.KindText}
		decision, err := engine.Decide(t.Context(), req)
		if at == "commit" && err == nil {
			err = engine.Settle(t.Context(), req, decision, rules.Result{Outcome: rules.Signed})
		}
		if err == nil || !strings.Contains(err.Error(), "the ledger crashed") {
			t.Errorf("%s: %v", at, err)
		}
		if got := strings.Join(log, ", "); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// TestEngineAsksInOrder: the first rule that decides binds.
func TestEngineAsksInOrder(t *testing.T) {
	var log []string
	undecided, approve, reject := scriptedRule{log: &log}, scriptedRule{verdict: rules.Approve, log: &log}, scriptedRule{verdict: rules.Reject, log: &log}
	for _, test := range []struct {
		rules []rules.Rule
		want  rules.Verdict
	}{
		{nil, rules.Reject},
		{[]rules.Rule{undecided, undecided}, rules.Reject},
		{[]rules.Rule{undecided, approve, reject}, rules.Approve},
		{[]rules.Rule{undecided, reject, approve}, rules.Reject},
	} {
		decision, err := (&rules.Engine{Rules: test.rules}).Decide(t.Context(), &rules.Request{Kind: rules.KindList})
		if err != nil || decision.Verdict != test.want {
			t.Errorf("%v: %+v, %v; want %v", test.rules, decision, err, test.want)
		}
	}
	if want := []string{"drop", "drop", "drop", "keep", "drop", "keep"}; !slices.Equal(log, want) {
		t.Errorf("holds: %v, want %v", log, want)
	}
}

// TestEngineKnowsKinds: what is of no known kind is refused unasked.
func TestEngineKnowsKinds(t *testing.T) {
	var log []string
	engine := &rules.Engine{Rules: []rules.Rule{scriptedRule{verdict: rules.Approve, log: &log}}}
	for _, kind := range []rules.Kind{rules.KindInvalid, rules.KindBlockPayload + 1} {
		decision, err := engine.Decide(t.Context(), &rules.Request{Kind: kind})
		if err != nil || decision.Verdict != rules.Reject || len(log) != 0 {
			t.Errorf("%v: %+v, %v, asked %v", kind, decision, err, log)
		}
	}
}

// explainingRule answers with an explanation for the record.
type explainingRule struct {
	rules.Decision
	fail error
}

func (r explainingRule) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return r.Decision, nil, r.fail
}

// TestExplanationsReachTheRecord has every way on which a decision ends.
func TestExplanationsReachTheRecord(t *testing.T) {
	t.Parallel()
	why := rules.Decision{Rule: "pay", Reason: "r", Policy: [32]byte{1}, Explanation: "because"}
	for name, tt := range map[string]struct {
		verdict  rules.Verdict
		fail     error
		ledger   rules.Ledger
		approver rules.Approver
		charges  []rules.Charge
	}{
		"approved":        {verdict: rules.Approve},
		"rejected":        {verdict: rules.Reject},
		"failed":          {verdict: rules.Approve, fail: errBoom},
		"nobody to ask":   {verdict: rules.Refer},
		"people approve":  {verdict: rules.Refer, approver: people{verdict: rules.Approve}},
		"people fail":     {verdict: rules.Refer, approver: people{fail: errBoom}},
		"no ledger":       {verdict: rules.Approve, charges: []rules.Charge{{Counter: "c"}}},
		"over a limit":    {verdict: rules.Approve, charges: []rules.Charge{{Counter: "c"}}, ledger: fullLedger{}},
		"a ledger failed": {verdict: rules.Approve, charges: []rules.Charge{{Counter: "c"}}, ledger: fullLedger{err: errBoom}},
	} {
		decision := why
		decision.Verdict, decision.Charges = tt.verdict, tt.charges
		engine := &rules.Engine{Rules: []rules.Rule{explainingRule{decision, tt.fail}}, Ledger: tt.ledger, Approver: tt.approver}
		got, _ := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
		if got.Policy != why.Policy || !strings.HasSuffix(got.Explanation, why.Explanation) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// fullLedger has no room, or fails.
type fullLedger struct {
	rules.Ledger
	err error
}

func (l fullLedger) Hold(context.Context, []rules.Charge) (rules.HoldID, error) {
	if l.err != nil {
		return 0, l.err
	}
	return 0, &rules.OverLimitError{}
}

// reservingLedger reserves what is recorded.
type reservingLedger struct{ scriptedLedger }

func (l reservingLedger) Reserve(context.Context, []rules.Charge) (rules.HoldID, *rules.Reservation, error) {
	*l.log = append(*l.log, "reserve")
	if l.hold != nil {
		return 0, nil, l.hold
	}
	return 7, &rules.Reservation{ID: 7}, nil
}

// TestEngineReserves: what is held is left to the record of a decision only where there
// is one, and where it follows at once. What people are asked about is durable before.
func TestEngineReserves(t *testing.T) {
	over := &rules.OverLimitError{Charge: charge()[0]}
	for name, test := range map[string]struct {
		unrecorded bool
		verdict    rules.Verdict
		board      *rules.Quorum
		ledger     error
		reserved   bool
		log        string
	}{
		"approved":                       {verdict: rules.Approve, reserved: true, log: "reserve, keep"},
		"approved, not recorded":         {unrecorded: true, verdict: rules.Approve, log: "hold, keep"},
		"referred":                       {verdict: rules.Refer, log: "hold, drop"},
		"over a limit":                   {verdict: rules.Approve, ledger: over, log: "reserve, drop"},
		"over a limit, people are asked": {verdict: rules.Approve, ledger: over, board: &rules.Quorum{}, log: "reserve, hold, drop"},
		"ledger fails":                   {verdict: rules.Approve, ledger: errBoom, log: "reserve, drop"},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			ledger := reservingLedger{scriptedLedger{hold: test.ledger, log: &log}}
			rule := scriptedRule{verdict: test.verdict, charges: charge(), board: test.board, log: &log}
			engine := &rules.Engine{
				Rules: []rules.Rule{rule}, Ledger: ledger, Recorded: !test.unrecorded,
				Approver: people{ledger: ledger, verdict: rules.Approve},
			}
			decision, err := engine.Decide(t.Context(), &rules.Request{Kind: rules.KindText})
			if err != nil && test.ledger == nil {
				t.Fatal(err)
			}
			if reserved := decision.Reservation != nil; reserved != test.reserved {
				t.Errorf("reserved: %v", reserved)
			}
			if got := strings.Join(log, ", "); got != test.log {
				t.Errorf("%s, want %s", got, test.log)
			}
		})
	}
}
