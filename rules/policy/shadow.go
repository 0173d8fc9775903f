package policy

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// Shadow is a rule beside which a candidate judges the same requests: it decides
// nothing, and what it would have decided otherwise is logged and counted. Its
// limits have totals of their own, which count what it approves.
type Shadow struct {
	Rule      rules.Rule // decides
	Candidate *Policy
	Ledger    rules.Ledger // of the candidate alone; not durable
	Logger    *slog.Logger

	judged, differed, counted atomic.Uint64
}

// maxShadowCharges bounds what the limits of a candidate take of the memory: after
// so many charges it judges without them.
const maxShadowCharges = 1 << 18

// Evaluate returns what the rule decides.
func (s *Shadow) Evaluate(ctx context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	decision, hold, err := s.Rule.Evaluate(ctx, req)
	if err == nil {
		s.compare(ctx, req, decision)
	}
	return decision, hold, err
}

// Resume tells the rule what people have approved.
func (s *Shadow) Resume(ctx context.Context, req *rules.Request, said rules.Decision) (rules.Hold, error) {
	if resumer, ok := s.Rule.(rules.Resumer); ok {
		return resumer.Resume(ctx, req, said)
	}
	return nil, nil
}

// Judged returns how many requests the candidate has judged, and of how many of
// them it would have decided otherwise.
func (s *Shadow) Judged() (judged, differed uint64) { return s.judged.Load(), s.differed.Load() }

// compare judges by the candidate, and logs what differs. Whether a limit of the
// live rule has room is not known here: both are compared by what they say of the
// request, and the candidate also by its own limits.
func (s *Shadow) compare(ctx context.Context, req *rules.Request, decision rules.Decision) {
	defer func() {
		if crash := recover(); crash != nil {
			s.Logger.ErrorContext(ctx, "Candidate policy crashed", "request_id", req.ID, "panic", crash, "stack", string(debug.Stack()))
		}
	}()
	j := s.Candidate.judge(facts.Of(req, s.Candidate.clock()))
	verdict, reason, rule := j.verdict, j.reason, ""
	if j.rule != nil {
		rule = j.rule.ID
	}
	if verdict == rules.Approve && len(j.charges) > 0 {
		verdict, reason = s.count(ctx, j.charges, reason)
	}
	judged := s.judged.Add(1)
	if verdict == decision.Verdict {
		return
	}
	s.Logger.WarnContext(ctx, "Candidate policy would decide otherwise", "request_id", req.ID, "method", req.Method, "account", req.Account.Address,
		"verdict", decision.Verdict.String(), "rule", decision.Rule, "candidate_verdict", verdict.String(), "candidate_rule", rule, "candidate_reason", reason,
		"differed", s.differed.Add(1), "judged", judged)
}

// count counts what the candidate approves against its limits.
func (s *Shadow) count(ctx context.Context, charges []rules.Charge, reason string) (rules.Verdict, string) {
	n := uint64(len(charges))
	if counted := s.counted.Add(n); counted > maxShadowCharges {
		if counted-n <= maxShadowCharges {
			s.Logger.WarnContext(ctx, "Candidate policy is judged without its limits from here on: they have counted as much as there is room for", "charges", counted-n)
		}
		return rules.Approve, reason
	}
	id, err := s.Ledger.Hold(ctx, charges)
	var over *rules.OverLimitError
	switch {
	case errors.As(err, &over):
		return rules.Reject, over.Error()
	case err != nil:
		return rules.Undecided, err.Error()
	}
	if err := s.Ledger.Commit(ctx, id); err != nil {
		return rules.Undecided, err.Error()
	}
	return rules.Approve, reason
}
