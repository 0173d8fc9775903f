package store

import (
	"math"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Kept is what a ledger keeps of a counter, and what that leaves open.
type Kept struct {
	Name    string
	Total   uint256.Int // what all its charges count, those that have expired and were not taken off included
	Charges int         // their number

	// Open are the charges that have expired or whose hold is not settled, and all that
	// share a slot with one of these. They are few, however many the counter has.
	Open []rules.Live
}

// At returns the counter at a time, in nanoseconds of Unix time, without its Next: as
// [rules.Tally] would of all its charges.
func (k *Kept) At(now int64) Counter {
	before, after := rules.Tally(k.Open, math.MinInt64), rules.Tally(k.Open, now)
	c := Counter{Name: k.Name, Held: after.Held, Charges: k.Charges}
	c.Used.Add(c.Used.Sub(&k.Total, &before.Used), &after.Used)
	for i := range k.Open {
		if k.Open[i].Expires <= now {
			c.Charges--
		}
	}
	return c
}
