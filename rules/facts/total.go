package facts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// totals are the sums of the effects on one token that one call has, or that all
// outermost actions have together.
type totals map[totalOf]*total

type totalOf struct {
	action *Action // nil: the outermost ones
	token  common.Address
}

type total struct {
	amount    uint256.Int
	unlimited bool
}

// Total is how much of its token an effect moves or hands over together with those that
// stand beside it: of an outermost action all outermost ones, and of one within those
// the effects of that call. A batch of Permit2 has an effect for each entry, and what
// an entry says of its amount says nothing of the whole.
func (f *Facts) Total(a *Action, e *Effect) (amount uint256.Int, unlimited bool) {
	if a != nil {
		if sum := f.totals[placeOf(a, e)]; sum != nil {
			return sum.amount, sum.unlimited
		}
	}
	return e.Amount, e.Unlimited
}

func placeOf(a *Action, e *Effect) totalOf {
	if a.Depth == 0 {
		return totalOf{nil, e.Token}
	}
	return totalOf{a, e.Token}
}

// totalsOf adds up what stands beside other effects; nil if none does.
func totalsOf(actions []Action) totals {
	outermost, several := 0, false
	for i := range actions {
		if actions[i].Depth == 0 {
			outermost += len(actions[i].Effects)
		}
		several = several || outermost > 1 || len(actions[i].Effects) > 1
	}
	if !several {
		return nil
	}
	sums := make(totals)
	for i := range actions {
		for j := range actions[i].Effects {
			sums.add(&actions[i], &actions[i].Effects[j])
		}
	}
	return sums
}

func (t totals) add(a *Action, e *Effect) {
	place := placeOf(a, e)
	if t[place] == nil {
		t[place] = &total{}
	}
	sum := t[place]
	if _, overflow := sum.amount.AddOverflow(&sum.amount, &e.Amount); overflow {
		sum.amount, sum.unlimited = maxUint256(), true
	}
	sum.unlimited = sum.unlimited || e.Unlimited
}
