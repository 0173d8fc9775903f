package policysuggest

import (
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// rolling has the totals of counters as a ledger keeps them, see [rules.Ledger],
// for charges with one window and no cap: how high they rise is what a draft wants
// to know, and a ledger tells only whether a cap is passed.
type rolling struct {
	now      time.Time // the latest at which something was counted
	live     []live    // in the order of their expiry
	counters map[string]*counter
}

// live is a charge that is live.
type live struct {
	expires time.Time
	counter string
	slot    string
}

// counter is a total, and the live charges of each slot, the oldest first.
type counter struct {
	total uint256.Int
	slots map[string][]uint256.Int
}

func largest(of []uint256.Int) (most uint256.Int) {
	for i := range of {
		if of[i].Gt(&most) {
			most = of[i]
		}
	}
	return most
}

// add counts all charges or none, and says why none.
func (r *rolling) add(charges []rules.Charge, now time.Time) (why string) {
	if now.Before(r.now) {
		now = r.now
	}
	r.expire(now)
	for i := range charges {
		c := r.counters[charges[i].Counter]
		if c == nil {
			continue
		}
		if len(c.slots[charges[i].Slot]) >= rules.MaxInSlot {
			return whyOften
		}
		raise := c.raise(&charges[i])
		if _, overflow := raise.AddOverflow(&raise, &c.total); overflow {
			return whyAmount
		}
	}
	r.now = now
	for i := range charges {
		charge := &charges[i]
		c := r.counters[charge.Counter]
		if c == nil {
			c = &counter{slots: make(map[string][]uint256.Int)}
			if r.counters == nil {
				r.counters = make(map[string]*counter)
			}
			r.counters[charge.Counter] = c
		}
		raise := c.raise(charge)
		c.total.Add(&c.total, &raise)
		c.slots[charge.Slot] = append(c.slots[charge.Slot], charge.Amount)
		r.live = append(r.live, live{now.Add(window), charge.Counter, charge.Slot})
	}
	return ""
}

// raise is by how much a charge would raise the total.
func (c *counter) raise(charge *rules.Charge) (raise uint256.Int) {
	if before := largest(c.slots[charge.Slot]); charge.Amount.Gt(&before) {
		raise.Sub(&charge.Amount, &before)
	}
	return raise
}

// total is what a counter has.
func (r *rolling) total(name string) uint256.Int {
	if c := r.counters[name]; c != nil {
		return c.total
	}
	return uint256.Int{}
}

// expire takes off what no longer counts.
func (r *rolling) expire(now time.Time) {
	for len(r.live) > 0 && !r.live[0].expires.After(now) {
		gone := r.live[0]
		r.live = r.live[1:]
		r.now = now
		c := r.counters[gone.counter]
		charges := c.slots[gone.slot]
		before, after := largest(charges), largest(charges[1:])
		c.total.Sub(&c.total, before.Sub(&before, &after))
		if charges = charges[1:]; len(charges) > 0 {
			c.slots[gone.slot] = charges
			continue
		}
		if delete(c.slots, gone.slot); len(c.slots) == 0 {
			delete(r.counters, gone.counter)
		}
	}
}
