package rules

import "context"

// ApproveAll approves every request. It is for development only.
type ApproveAll struct{}

// Decide approves every request of a known kind.
func (ApproveAll) Decide(_ context.Context, req *Request) (Decision, error) {
	if !req.Kind.Known() {
		return Decision{Verdict: Reject, Rule: "approve-all", Reason: "the request is of no known kind"}, nil
	}
	return Decision{Verdict: Approve, Rule: "approve-all", Reason: "every request is approved"}, nil
}

// Settle does nothing: nothing was held.
func (ApproveAll) Settle(context.Context, *Request, Decision, Result) error { return nil }

// RuleNoRules is the rule named in the decisions of NoRules.
const RuleNoRules = "no-rules"

// NoRules is the decider of a signer without rules: accounts may be listed,
// nothing is signed and no key is made.
type NoRules struct{}

// Decide approves listings and rejects everything else. A listing is approved
// because a node that sees no accounts answers "unknown account" by itself,
// which would hide why nothing is signed.
func (NoRules) Decide(_ context.Context, req *Request) (Decision, error) {
	if req.Kind == KindList {
		return Decision{Verdict: Approve, Rule: RuleNoRules, Reason: "listing is allowed"}, nil
	}
	return Decision{Verdict: Reject, Rule: RuleNoRules, Reason: "no rules are configured, so nothing is signed"}, nil
}

// Settle does nothing: nothing was held.
func (NoRules) Settle(context.Context, *Request, Decision, Result) error { return nil }
