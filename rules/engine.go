package rules

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// keepTimeout bounds the making durable of what a decision rests on.
const keepTimeout = 10 * time.Second

// RuleEngine is the rule named in decisions that no rule made.
const RuleEngine = "engine"

// Rule judges requests. Implementations are safe for concurrent use.
type Rule interface {
	// Evaluate judges a request. Undecided passes it on to the next rule; an
	// error refuses it. The hold is what the rule keeps aside for the decision,
	// nil if nothing; with an error there is none.
	Evaluate(ctx context.Context, req *Request) (Decision, Hold, error)
}

// Resumer is a rule that is told of a request which it referred to people, once
// they have approved it.
type Resumer interface {
	// Resume returns what the rule keeps aside for the request, as Evaluate does
	// for one that it approves itself; nil if nothing. It is given what Evaluate said
	// before people were asked, and the error is a *ChangedError if the rule says
	// something else by now.
	Resume(ctx context.Context, req *Request, said Decision) (Hold, error)
}

// Hold is what a rule keeps aside until its decision stands or falls. Exactly
// one of Drop and Keep is called, once.
type Hold interface {
	// Drop forgets what was kept aside: the decision does not stand.
	Drop()

	// Keep makes it durable: the decision stands. After an error nothing of it
	// is in force. After the Keep of an approval, Settle follows.
	Keep(ctx context.Context) error

	// Settle tells what became of the approved request. An error withholds the
	// signature.
	Settle(ctx context.Context, req *Request, result Result) error
}

// Engine decides by rules in order, then limits, then approvers. The first
// rule that decides binds. What none decides, and what a rule refers to a
// person, goes to the approver; without one it is refused.
type Engine struct {
	Rules    []Rule
	Ledger   Ledger   // nil: a decision with charges is refused
	Approver Approver // nil: nobody

	// Recorded says that who asks makes a decision durable, with its Reservation,
	// before anything is signed. Then a ledger that is a [Reserver] need not.
	Recorded bool
}

// held is what a decision holds until it is settled.
type held struct {
	rule    Hold   // of the rule, and of people if they approved; nil: nothing
	limits  HoldID // 0: nothing, or people's
	settled atomic.Bool
}

// Decide judges a request. An approval holds what it counts against limits,
// durably or with a Reservation, until Settle is told what became of it; what people
// still think about is held durably; nothing else holds anything.
func (e *Engine) Decide(ctx context.Context, req *Request) (Decision, error) {
	rule, decision, hold, err := e.evaluate(ctx, req)
	if err != nil {
		return decision.refused(), err
	}
	if decision.Verdict == Refer && e.Approver == nil {
		drop(hold)
		return nobody(decision), nil
	}
	if decision.Verdict == Reject {
		return decision, keep(ctx, hold)
	}
	said := decision
	question, err := e.asked(ctx, req, said)
	if err != nil {
		drop(hold)
		return decision.refused(), err
	}
	var limits HoldID
	if question == nil { // else people were asked before, and it is counted
		limits, decision, err = e.charge(ctx, req, decision)
		if err != nil || decision.Verdict == Reject {
			drop(hold)
			return decision, err
		}
	}
	if question != nil || decision.Verdict == Refer {
		// What the rule wrote is not kept: people may take their time. It writes again when
		// it is resumed.
		drop(hold)
		Waits(ctx)
		decision, hold, err = e.people(ctx, question, resumption{rule, req, said}, decision, limits)
		limits = 0
	}
	if err == nil && decision.Verdict == Approve {
		decision, err = decision.unless(keep(ctx, hold))
	}
	if err != nil || decision.Verdict != Approve {
		return decision, errors.Join(err, e.release(ctx, limits))
	}
	decision.held = &held{rule: hold, limits: limits}
	return decision, nil
}

// people returns what people decide, who are asked if they were not before. The
// hold of limits is theirs.
func (e *Engine) people(ctx context.Context, question Question, then resumption, referral Decision, limits HoldID) (Decision, Hold, error) {
	if question == nil {
		var err error
		if question, err = e.Approver.Ask(ctx, then.req, referral, limits); err != nil {
			return referral.refused(), nil, fmt.Errorf("asking people: %w", err)
		}
	}
	return await(ctx, question, then, referral)
}

// evaluate asks the rules in order, and returns the one that decided. Its
// decision is Approve, Reject or Refer.
func (e *Engine) evaluate(ctx context.Context, req *Request) (Rule, Decision, Hold, error) {
	if !req.Kind.Known() {
		return nil, Decision{Verdict: Reject, Rule: RuleEngine, Reason: "the request is of no known kind"}, nil, nil
	}
	for _, rule := range e.Rules {
		decision, hold, err := evaluate(ctx, rule, req)
		switch {
		case err != nil:
			drop(hold)
			return rule, decision, nil, err
		case decision.Verdict == Approve, decision.Verdict == Reject, decision.Verdict == Refer:
			return rule, decision, hold, nil
		}
		drop(hold)
	}
	return nil, Decision{Verdict: Refer, Rule: RuleEngine, Reason: "no rule decides about this request"}, nil, nil
}

// evaluate asks a rule. A rule that panics has decided nothing.
func evaluate(ctx context.Context, rule Rule, req *Request) (decision Decision, hold Hold, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			decision, err = Decision{}, fmt.Errorf("a rule crashed: %v\n%s", crash, debug.Stack())
		}
	}()
	return rule.Evaluate(ctx, req)
}

// nobody refuses what people would have to approve.
func nobody(referral Decision) Decision {
	refusal := referral.refused()
	refusal.Verdict, refusal.Reason = Reject, referral.Reason+"; no approver is configured"
	return refusal
}

// Settle tells the rule and the ledger what became of an approved request. An
// error means that its signature must not be released. A decision is settled
// once.
func (e *Engine) Settle(ctx context.Context, req *Request, decision Decision, result Result) error {
	mine := decision.held
	if decision.Verdict != Approve || mine == nil {
		return errors.New("only an approval of this engine can be settled")
	}
	if !mine.settled.CompareAndSwap(false, true) {
		return errors.New("the decision is settled already")
	}
	var failures []error
	if mine.rule != nil {
		failures = append(failures, settle(ctx, mine.rule, req, result))
	}
	if mine.limits != 0 {
		switch result.Outcome {
		case Signed:
			failures = append(failures, ledger(ctx, mine.limits, e.Ledger.Commit))
		case NotSigned:
			failures = append(failures, ledger(ctx, mine.limits, e.Ledger.Release))
		default: // a signature may exist: the hold goes on counting
		}
	}
	return errors.Join(failures...)
}

// settle tells a rule's hold what became of the request.
func settle(ctx context.Context, hold Hold, req *Request, result Result) (err error) {
	defer crashed("a rule", &err)
	return hold.Settle(ctx, req, result)
}

// release gives limits back. A hold that can't be given back goes on counting.
func (e *Engine) release(ctx context.Context, id HoldID) error {
	if id == 0 {
		return nil
	}
	return still(ctx, "giving limits back", func(ctx context.Context) error { return ledger(ctx, id, e.Ledger.Release) })
}

// keep makes a hold durable.
func keep(ctx context.Context, hold Hold) error {
	if hold == nil {
		return nil
	}
	return still(ctx, "keeping what the rule wrote", func(ctx context.Context) error { return kept(ctx, hold) })
}

// still does what must be done whether or not the caller is still there.
func still(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func drop(hold Hold) {
	if hold != nil {
		hold.Drop()
	}
}
