package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holiman/uint256"
)

// MaxLifts is how many totals are looked at one by one. Where more would be passed, as by
// a batch, they are lifted limit by limit, so that this takes no longer: also those of the
// limit that have room.
const MaxLifts = 8

// referred asks the people who may approve what passes a limit, besides those who must
// approve the request anyway.
func (d Decision) referred(over *OverLimitError, board *Quorum) Decision {
	d = d.because(over)
	d.Unnamed = d.Verdict == Refer && len(d.Quorums) == 0
	if !slices.Contains(d.Quorums, board) {
		d.Quorums = append(slices.Clone(d.Quorums), board)
	}
	d.Verdict, d.Reason = Refer, fmt.Sprintf("%s, and %s may approve that", exceeded(over), board.Group)
	return d
}

// lift holds what people are asked to let pass, and returns the decision that they approve.
// Of the charges only those lose their caps that have no room, of which over is one: what is
// within its limit stays so, and nobody is told that it is not. Those count while people
// think in the slots of other charges, which are the same, and afterwards as what has room
// does. What has room counts at once as it does then, and in the end raises nothing.
func (e *Engine) lift(ctx context.Context, decision Decision, alone []Charge, over *OverLimitError) (HoldID, Decision, error) {
	decision.Charges = slices.Clone(decision.Charges)
	held := slices.Clone(decision.Charges)
	for lifts := 0; lift(decision.Charges, held, alone, over, lifts >= MaxLifts); lifts++ {
		id, _, err := e.hold(ctx, held, false)
		if !errors.As(err, &over) {
			return id, decision, err
		}
		if lifts < MaxLifts {
			decision = decision.because(over)
		}
	}
	return 0, decision, over
}

// lift takes the cap off what would pass a limit, or of all that the limit is about, unless
// it is firm, or too much for what people approve ever to be held. It reports whether there
// was any.
func lift(decided, held, alone []Charge, over *OverLimitError, whole bool) (some bool) {
	for i := range decided {
		c := &decided[i]
		same := c.Counter == over.Charge.Counter || whole && c.Limit != "" && c.Limit == over.Charge.Limit
		if !same || !c.mayPass() {
			continue
		}
		c.Lifted, c.Passes = true, c.Cap
		c.Cap.SetAllOne()
		held[i] = *c
		held[i].Slot = alone[i].Slot
		some = true
	}
	return some
}

// MayPass reports whether people may be asked to let a charge pass its limit, where somebody
// may approve that.
func (c *Charge) MayPass() bool {
	counted := bounded([]Charge{*c})
	return counted[0].mayPass()
}

func (c *Charge) mayPass() bool { return !c.Firm && !c.lifted() && c.twice() }

// twice reports whether twice its amount can be counted: what people are asked about counts
// in a slot of its own, until what they approve counts in another.
func (c *Charge) twice() bool { return c.Amount.BitLen() < 256 }

// lifted reports whether people are asked to let it pass its limit.
func (c *Charge) lifted() bool { return !c.Firm && c.Cap == *new(uint256.Int).SetAllOne() }
