package rules

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/holiman/uint256"
)

// Live is a charge of a counter that a ledger has, to be summed up.
type Live struct {
	Slot    string
	Amount  uint256.Int
	Expires int64 // the first nanosecond of Unix time at which it no longer counts
	Open    bool  // its hold is neither committed nor released
}

// Tally sums up the charges of one counter at a time, in nanoseconds of Unix
// time. It is the definition of a total, for ledgers that are read: those that
// count keep totals.
func Tally(charges []Live, now int64) Usage {
	type most struct{ all, done uint256.Int }
	var usage Usage
	var done uint256.Int
	next := int64(math.MaxInt64)
	slots := make(map[string]most)
	for i := range charges {
		charge := &charges[i]
		if charge.Expires <= now {
			continue
		}
		next = min(next, charge.Expires)
		if charge.Slot == "" {
			usage.Used.Add(&usage.Used, &charge.Amount)
			if !charge.Open {
				done.Add(&done, &charge.Amount)
			}
			continue
		}
		slot := slots[charge.Slot]
		slot.all = larger(slot.all, charge.Amount)
		if !charge.Open {
			slot.done = larger(slot.done, charge.Amount)
		}
		slots[charge.Slot] = slot
	}
	for _, slot := range slots {
		usage.Used.Add(&usage.Used, &slot.all)
		done.Add(&done, &slot.done)
	}
	usage.Held.Sub(&usage.Used, &done)
	if next != math.MaxInt64 {
		usage.Next = time.Unix(0, next).UTC()
	}
	return usage
}

func larger(a, b uint256.Int) uint256.Int {
	if a.Lt(&b) {
		return b
	}
	return a
}

// RoomAfter sets when there is room for the charge: after which of the charges
// of its counter that expire next, which come in order of expiry and no further
// than needed. InSlot returns every live charge of a slot.
func (e *OverLimitError) RoomAfter(expiring iter.Seq[Live], inSlot func(slot string) []Live) {
	if e.Charge.Amount.Gt(&e.Charge.Cap) {
		return // never
	}
	left := e.Used
	var own uint256.Int
	if e.Charge.Slot != "" {
		own = largest(inSlot(e.Charge.Slot))
	}
	slots := make(map[string][]Live) // what is left of each, the next to expire first
	for charge := range expiring {
		if charge.Expires == math.MaxInt64 {
			return
		}
		if charge.Slot == "" {
			left.Sub(&left, &charge.Amount)
		} else {
			live, ok := slots[charge.Slot]
			if !ok {
				live = slices.SortedStableFunc(slices.Values(inSlot(charge.Slot)), func(a, b Live) int { return cmp.Compare(a.Expires, b.Expires) })
			}
			if len(live) == 0 {
				return // what was read does not fit together: another time
			}
			before, after := largest(live), largest(live[1:])
			slots[charge.Slot] = live[1:]
			left.Sub(&left, before.Sub(&before, &after))
			if charge.Slot == e.Charge.Slot {
				own = after
			}
		}
		if e.fits(left, own) {
			e.Room = time.Unix(0, charge.Expires).UTC()
			return
		}
	}
}

// fits reports whether the charge has room when its slot counts own and all
// slots together left.
func (e *OverLimitError) fits(left, own uint256.Int) bool {
	if !e.Charge.Amount.Gt(&own) {
		return true
	}
	var raise, total uint256.Int
	raise.Sub(&e.Charge.Amount, &own)
	_, overflow := total.AddOverflow(&left, &raise)
	return !overflow && !total.Gt(&e.Charge.Cap)
}

func largest(charges []Live) (most uint256.Int) {
	for i := range charges {
		most = larger(most, charges[i].Amount)
	}
	return most
}
