package clefui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
)

// Asked is nil: the interface remembers nothing.
func (u *UI) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil //nolint:nilnil // as the interface says
}

// Ask returns the question that Await puts to the interface. Whoever uses the interface is
// nobody by name: what people must approve who are named is rejected.
func (u *UI) Ask(_ context.Context, req *rules.Request, referral rules.Decision, limits rules.HoldID) (rules.Question, error) {
	q := &question{ui: u, req: req, rule: referral.Rule, limits: limits, charges: referral.Charges}
	named := referral.Quorums
	if referral.OverLimit != nil {
		named = append(slices.Clone(named), referral.OverLimit)
	}
	if len(named) > 0 {
		q.refusal = fmt.Sprintf("%s must approve it, for whom a user interface (--stdio-ui) can't stand: name people in approvals.people, and start without it", rules.Quorums(named))
	}
	return q, nil
}

// question is one request that the interface decides about.
type question struct {
	ui      *UI
	req     *rules.Request
	rule    string
	limits  rules.HoldID   // 0: none
	charges []rules.Charge // that the limits are held for
	refusal string         // why the interface is not asked; "" if it is
}

// Await waits for the interface, for as long as the caller does.
func (q *question) Await(ctx context.Context) (rules.Decision, rules.Hold, error) {
	decision, err := q.ask(ctx)
	if err != nil || decision.Verdict != rules.Approve {
		return decision, nil, errors.Join(err, q.release(ctx))
	}
	return decision, &hold{q}, nil
}

// ask asks what Clef asks about such a request, unless people must approve it.
func (q *question) ask(ctx context.Context) (rules.Decision, error) {
	if q.refusal != "" {
		return rules.Decision{Verdict: rules.Reject, Rule: q.rule, Reason: q.refusal}, nil
	}
	switch q.req.Kind {
	case rules.KindList:
		return q.listing(ctx)
	case rules.KindNewAccount:
		return q.plainly(ctx, "ui_approveNewAccount", clefargs.NewAccount{Meta: clefargs.CallerOf(q.req.Caller)})
	case rules.KindTransaction:
		return q.transaction(ctx)
	default:
		return q.plainly(ctx, "ui_approveSignData", clefargs.SignDataOf(q.req))
	}
}

func (q *question) verdict(approved bool) rules.Decision {
	decision := rules.Decision{Verdict: rules.Reject, Rule: q.rule, Reason: "rejected in the user interface"}
	if approved {
		decision.Verdict, decision.Reason = rules.Approve, "approved in the user interface"
	}
	return decision
}

// plainly asks for yes or no.
func (q *question) plainly(ctx context.Context, method string, argument any) (rules.Decision, error) {
	var answer struct {
		Approved bool `json:"approved"`
	}
	if err := q.ui.call(ctx, &answer, method, argument); err != nil {
		return rules.Decision{Rule: q.rule}, err
	}
	return q.verdict(answer.Approved), nil
}

// listing asks which accounts are shown. No list is a refusal; what is not the
// signer's is not shown, whatever the answer.
func (q *question) listing(ctx context.Context) (rules.Decision, error) {
	var answer struct {
		Accounts *[]struct {
			Address common.Address `json:"address"`
		} `json:"accounts"`
	}
	if err := q.ui.call(ctx, &answer, "ui_approveListing", clefargs.ListingOf(q.req)); err != nil {
		return rules.Decision{Rule: q.rule}, err
	}
	if answer.Accounts == nil {
		return q.verdict(false), nil
	}
	decision := q.verdict(true)
	decision.Listed = make([]common.Address, 0, len(*answer.Accounts))
	for _, account := range *answer.Accounts {
		decision.Listed = append(decision.Listed, account.Address)
	}
	return decision, nil
}

// transaction asks about a transaction. Clef signs what its interface answers with;
// here that is another request.
func (q *question) transaction(ctx context.Context) (rules.Decision, error) {
	asked, err := clefargs.SignTxOf(q.req)
	if err != nil {
		return rules.Decision{Rule: q.rule}, err
	}
	if substitute := rules.SubstituteOf(ctx); substitute != nil && substitute.By == rules.Approver(q.ui) {
		return q.substitute(&asked, substitute)
	}
	var answer struct {
		Transaction json.RawMessage `json:"transaction"`
		Approved    bool            `json:"approved"`
	}
	if err := q.ui.call(ctx, &answer, "ui_approveTx", asked); err != nil {
		return rules.Decision{Rule: q.rule}, err
	}
	if !answer.Approved {
		return q.verdict(false), nil
	}
	unchanged, err := same(&asked.Transaction, answer.Transaction)
	switch {
	case err != nil:
		return rules.Decision{Rule: q.rule}, err
	case unchanged:
		return q.verdict(true), nil
	}
	decision := q.verdict(false)
	decision.Reason = "the user interface changed the transaction"
	if q.ui.options.Changes {
		decision.Instead = &rules.Substitute{Transaction: answer.Transaction, By: q.ui}
	} else {
		q.ui.tell(ctx, "ui_showError", "The transaction was changed, and is not signed: what is signed is what was asked for (see --stdio-ui.changes)")
	}
	return decision, nil
}

// substitute decides about the transaction that the interface answered with before.
func (q *question) substitute(asked *clefargs.SignTx, substitute *rules.Substitute) (rules.Decision, error) {
	equal, err := same(&asked.Transaction, substitute.Transaction)
	if err != nil {
		return rules.Decision{Rule: q.rule}, err
	}
	decision := q.verdict(equal)
	if !equal {
		decision.Reason = "the request is not the one that the user interface answered with"
	}
	return decision, nil
}

// release gives back what limits hold.
func (q *question) release(ctx context.Context) error {
	if q.limits == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := q.ui.options.Ledger.Release(ctx, q.limits); err != nil {
		return fmt.Errorf("giving limits back: %w", err)
	}
	return nil
}

// hold is an approval by the interface.
type hold struct{ *question }

// Drop gives back what limits hold.
func (h *hold) Drop() {
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
	defer cancel()
	if err := h.release(ctx); err != nil {
		h.ui.options.Logger.WarnContext(ctx, "Limits go on counting until their windows have passed", "request_id", h.req.ID, "error", err)
	}
}

// Keep holds the limits anew: people take their time, and what was held may count no
// more. Without room for it the approval is in vain. What is approved is approved for
// this request alone.
func (h *hold) Keep(ctx context.Context) error {
	if h.limits == 0 {
		return nil
	}
	id, left, err := rules.HoldAnew(ctx, h.ui.options.Ledger, []rules.HoldID{h.limits}, h.charges)
	if len(left) == 0 {
		h.limits = 0 // it is given back
	}
	if err != nil {
		return errors.Join(err, h.release(ctx))
	}
	if err := h.release(ctx); err != nil {
		h.ui.options.Logger.DebugContext(ctx, "What was held anew counts from before as well", "request_id", h.req.ID, "error", err)
	}
	h.limits = id
	return nil
}

// Settle settles the limits, and tells the interface of a signed transaction.
func (h *hold) Settle(ctx context.Context, req *rules.Request, result rules.Result) error {
	switch {
	case result.Outcome == rules.NotSigned:
		return h.release(ctx)
	case result.Outcome != rules.Signed:
		return nil
	}
	if h.limits != 0 {
		if err := h.ui.options.Ledger.Commit(ctx, h.limits); err != nil {
			return fmt.Errorf("committing limits: %w", err)
		}
	}
	if req.Kind != rules.KindTransaction {
		return nil
	}
	approved, err := clefargs.ApprovedOf(req, result)
	if err == nil {
		err = h.ui.notify(ctx, "ui_onApprovedTx", approved)
	}
	if err != nil {
		h.ui.options.Logger.WarnContext(ctx, "User interface not told of a signed transaction", "request_id", req.ID, "error", err)
	}
	return nil
}
