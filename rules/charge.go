package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holiman/uint256"
)

// charge holds what a decision counts against limits, durably or with a reservation;
// the id is 0 if that is nothing. The decision that it returns stands: it rejects if a limit
// would be passed, and refers if people may approve that.
func (e *Engine) charge(ctx context.Context, req *Request, decision Decision) (HoldID, Decision, error) {
	board := decision.OverLimit
	decision.OverLimit = nil
	if len(decision.Charges) == 0 {
		return 0, decision, nil
	}
	if e.Ledger == nil {
		return 0, decision.refused(), errors.New("the decision counts against limits, and there is no ledger")
	}
	if reason := TooMany(decision.Charges); reason != "" {
		refusal := decision.refused()
		refusal.Verdict, refusal.Reason = Reject, reason
		return 0, refusal, nil
	}
	all := bounded(decision.Charges)
	decision.Charges = all
	deed := ""
	if board != nil {
		var err error
		if deed, err = deedOf(req); err != nil {
			return 0, decision.refused(), err
		}
		decision.Charges = inSlots(all, deed)
	}
	id, reservation, err := e.hold(ctx, decision.Charges, decision.Verdict == Approve)
	var over *OverLimitError
	if errors.As(err, &over) && board != nil && !over.Charge.Firm {
		decision = decision.referred(over, board)
		if e.Approver == nil {
			return 0, nobody(decision), nil
		}
		asked, failed := askedOf(req, deed)
		if failed != nil {
			return 0, decision.refused(), failed
		}
		id, decision, err = e.lift(ctx, decision, inSlots(all, asked), over)
	}
	var full *SlotError
	switch {
	case errors.As(err, &over):
		refusal := decision.refused().because(over)
		refusal.Verdict, refusal.Reason = Reject, exceeded(over)
		return 0, refusal, nil
	case errors.As(err, &full):
		refusal := decision.refused().because(full)
		refusal.Verdict, refusal.Reason = Reject, "it was asked for too often"
		return 0, refusal, nil
	case err != nil:
		return 0, decision.refused(), fmt.Errorf("%w: holding limits: %w", ErrNoState, err)
	}
	decision.Reservation = reservation
	return id, decision, nil
}

// TooMany is why what counts for more totals at once than a ledger holds is refused, such as a
// batch under limits for each recipient; "" if it is not. It names the limit with the most.
func TooMany(charges []Charge) string {
	if len(charges) <= MaxCharges {
		return ""
	}
	count := make(map[string]int)
	most := ""
	for i := range charges {
		id := (&OverLimitError{Charge: charges[i]}).Name()
		if count[id]++; count[id] > count[most] {
			most = id
		}
	}
	return fmt.Sprintf("it counts for %d totals at once, %d of them of limit %s, and may for %d: ask for less at once", len(charges), count[most], most, MaxCharges)
}

// unless returns the decision if it could be kept. Where others have taken the room of what
// people approved, and nothing has failed besides, it is a refusal that says so: the same
// request would find a ticket that could not be ended, and go on being told to come again.
func (d Decision) unless(err error) (Decision, error) {
	over := onlyOverLimit(err)
	if over == nil {
		return d, err
	}
	refusal := d.refused().because(err)
	refusal.Verdict, refusal.Ticket = Reject, d.Ticket
	refusal.Reason = exceeded(over) + " by now, after people approved: make the request again"
	return refusal, nil
}

// onlyOverLimit returns the limit that an error is about, nil if it is about something else
// as well.
func onlyOverLimit(err error) *OverLimitError {
	switch e := err.(type) { //nolint:errorlint // all that it wraps is looked at
	case *OverLimitError:
		return e
	case interface{ Unwrap() error }:
		return onlyOverLimit(e.Unwrap())
	case interface{ Unwrap() []error }:
		var first *OverLimitError
		for _, part := range e.Unwrap() {
			over := onlyOverLimit(part)
			if over == nil {
				return nil
			}
			if first == nil {
				first = over
			}
		}
		return first
	default:
		return nil
	}
}

// because puts before the explanation what a ledger said.
func (d Decision) because(err error) Decision {
	text := err.Error()
	if d.Explanation != "" {
		text += "\n" + d.Explanation
	}
	if len(text) > MaxExplanation {
		text = strings.ToValidUTF8(text[:MaxExplanation], "")
	}
	d.Explanation = text
	return d
}

// exceeded is what a caller learns of a limit: no total, and none of what it is
// kept apart for.
func exceeded(over *OverLimitError) string { return "limit " + over.Name() + " is exceeded" }

// SameCharges reports whether an equal request counts the same by now as what people were
// asked about, whatever its slots. What they may let pass has lost its cap.
func SameCharges(asked, now []Charge) bool {
	return slices.EqualFunc(bounded(asked), bounded(now), func(a, b Charge) bool {
		return a.Counter == b.Counter && a.Amount == b.Amount && a.Window == b.Window && a.Firm == b.Firm &&
			(a.Cap == b.Cap || a.lifted() || b.lifted())
	})
}

// bounded returns the charges of which none has an amount without a bound, but of firm
// limits: such a one counts with 2^192, which is more than a real limit allows. If people
// approve it, nothing else has room, as with the amount in full; and sums of such amounts
// have room in 256 bits, so that people may approve the next one too.
func bounded(charges []Charge) []Charge {
	var most uint256.Int
	most.Lsh(most.SetOne(), 192)
	charges = slices.Clone(charges)
	for i := range charges {
		if c := &charges[i]; !c.Firm && c.Cap.Lt(&most) && c.Amount.Gt(&most) {
			c.Amount = most
		}
	}
	return charges
}

// hold asks the ledger. What is approved at once, and recorded, is durable with its
// record; what people are asked about is so before they are. A ledger that panics may
// hold something, which then goes on counting; what the rule keeps aside must be
// dropped nevertheless.
func (e *Engine) hold(ctx context.Context, charges []Charge, approved bool) (id HoldID, reservation *Reservation, err error) {
	defer crashed("the ledger", &err)
	if reserver, ok := e.Ledger.(Reserver); ok && approved && e.Recorded {
		return reserver.Reserve(ctx, charges)
	}
	id, err = e.Ledger.Hold(ctx, charges)
	return id, nil, err
}

// ledger tells the ledger what becomes of a hold.
func ledger(ctx context.Context, id HoldID, do func(context.Context, HoldID) error) (err error) {
	defer crashed("the ledger", &err)
	return do(ctx, id)
}
