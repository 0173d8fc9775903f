package policyreplay

import (
	"container/heap"
	"context"
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// Side is a policy with all that it needs to judge a log, once. It is not for
// concurrent use.
type Side struct {
	policy  *policy.Policy
	stage   *rulestest.Stage
	trial   *rulestest.Trial
	ledger  *ledger
	key     *ecdsa.PrivateKey // of what rule files are told was signed; nil if there are none
	waiting waiting
	people  people

	withheld int // approvals that a rule file did not let out
}

// NewSide loads a policy, and the rule files that its rules hand over to from
// where they stand, seen from the policy. Their storage is empty.
func NewSide(ctx context.Context, path string, source []byte) (*Side, error) {
	subject, err := policytest.NewSubject(path, source)
	if err != nil {
		return nil, err
	}
	s := &Side{policy: subject.Policy(), stage: new(rulestest.Stage)}
	if len(s.policy.Scripts()) > 0 {
		if s.key, err = crypto.GenerateKey(); err != nil {
			return nil, fmt.Errorf("making a key to throw away: %w", err)
		}
	}
	if s.trial, err = subject.Begin(ctx, new(rulestest.Case), s.stage); err != nil {
		return nil, err
	}
	s.ledger = newLedger(memory.NewLedger(s.stage.Clock))
	s.people.ledger = s.ledger
	s.trial.Engine.Ledger, s.trial.Engine.Approver = s.ledger, &s.people
	return s, nil
}

// Close ends the rule files.
func (s *Side) Close() { s.trial.Close() }

// Policy returns the policy.
func (s *Side) Policy() *policy.Policy { return s.policy }

// Judge decides about a request, which comes after all before it.
func (s *Side) Judge(ctx context.Context, entry *requestlog.Entry) Decision {
	s.settleBefore(ctx, entry.Seq)
	s.stage.Enter(entry.Time)
	s.ledger.enter(entry)
	s.people.referred = false
	decision, err := s.trial.Engine.Decide(ctx, entry.Request)
	judged := Decision{Verdict: decision.Verdict.String(), Rule: decision.Rule, Limit: s.ledger.over, Reason: decision.Reason}
	switch {
	case err != nil:
		judged.Verdict, judged.Reason = rulestest.Undecided, err.Error()
	case s.people.referred:
		judged.Verdict = rulestest.Refer
	case decision.Verdict == rules.Approve:
		s.expect(ctx, entry, decision)
	}
	return judged
}

// expect sees to it that an approval is settled in its time. What the log does
// not approve, and this policy does, counts as signed at once.
func (s *Side) expect(ctx context.Context, entry *requestlog.Entry, decision rules.Decision) {
	w := approval{after: entry.Settled, request: entry.Request, decision: decision, outcome: entry.Outcome}
	if entry.Verdict != rules.Approve {
		w.outcome = rules.Signed
	}
	if w.after == 0 {
		s.settle(ctx, &w)
		return
	}
	heap.Push(&s.waiting, w)
}

// settleBefore settles what the log settles before an entry.
func (s *Side) settleBefore(ctx context.Context, seq uint64) {
	for len(s.waiting) > 0 && s.waiting[0].after < seq {
		w, _ := heap.Pop(&s.waiting).(approval)
		s.settle(ctx, &w)
	}
}

// settle tells the engine what became of an approval. Rule files get a signature
// by a key that is thrown away: the log has none.
func (s *Side) settle(ctx context.Context, w *approval) {
	result := rules.Result{Outcome: w.outcome}
	if s.key != nil && w.outcome == rules.Signed && w.request.Kind.Signs() {
		signature, err := crypto.Sign(w.request.Digest[:], s.key)
		if err != nil {
			s.withheld++
			return
		}
		result.Signature = [65]byte(signature)
	}
	if err := s.trial.Engine.Settle(ctx, w.request, w.decision, result); err != nil {
		s.withheld++
	}
}

// people are asked, and are not there.
type people struct {
	ledger   rules.Ledger
	referred bool
}

// Asked tells that nobody was asked before.
func (p *people) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil //nolint:nilnil // as the interface says
}

// Ask notes that people were asked.
func (p *people) Ask(ctx context.Context, _ *rules.Request, referral rules.Decision, limits rules.HoldID) (rules.Question, error) {
	p.referred = true
	if limits != 0 {
		if err := p.ledger.Release(ctx, limits); err != nil {
			return nil, err
		}
	}
	return unanswered{referral}, nil
}

// unanswered is a question that nobody answers.
type unanswered struct{ referral rules.Decision }

// Await refuses the request, with what was asked.
func (u unanswered) Await(context.Context) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Reject, Rule: u.referral.Rule, Reason: u.referral.Reason}, nil, nil
}

// approval is one whose outcome is still to come.
type approval struct {
	after    uint64 // the number of its outcome's entry; 0 if the log has none
	request  *rules.Request
	decision rules.Decision
	outcome  rules.Outcome
}

// waiting are approvals, the one that is settled first in front.
type waiting []approval

func (w *waiting) Len() int           { return len(*w) }
func (w *waiting) Less(i, j int) bool { return (*w)[i].after < (*w)[j].after }
func (w *waiting) Swap(i, j int)      { (*w)[i], (*w)[j] = (*w)[j], (*w)[i] }

// Push adds one at the end, for package heap.
func (w *waiting) Push(x any) {
	if added, ok := x.(approval); ok {
		*w = append(*w, added)
	}
}

// Pop takes the last off, for package heap.
func (w *waiting) Pop() any {
	all := *w
	last := all[len(all)-1]
	all[len(all)-1] = approval{}
	*w = all[:len(all)-1]
	return last
}
