package memory

import (
	"slices"

	"github.com/holiman/uint256"
)

// counter is a total, and what it is the sum of.
type counter struct {
	total   uint256.Int
	charges int
	slots   map[string][]*charge // by amount, the largest last; "" in no order
}

// raise is by how much a charge would raise the total.
func (c *counter) raise(slot string, amount *uint256.Int) uint256.Int {
	var counts uint256.Int
	if slot != "" {
		counts = c.largest(slot)
	}
	if !amount.Gt(&counts) {
		return uint256.Int{}
	}
	return *counts.Sub(amount, &counts)
}

// largest is what counts of a slot.
func (c *counter) largest(slot string) uint256.Int {
	if charges := c.slots[slot]; len(charges) > 0 {
		return charges[len(charges)-1].amount
	}
	return uint256.Int{}
}

// add puts a charge, whose raise is in the total already, into its slot.
func (c *counter) add(added *charge) {
	c.charges++
	if added.slot == "" {
		added.inSlot = len(c.slots[""])
		c.slots[""] = append(c.slots[""], added)
		return
	}
	charges := c.slots[added.slot]
	at, _ := slices.BinarySearchFunc(charges, added, func(a, b *charge) int { return a.amount.Cmp(&b.amount) })
	c.slots[added.slot] = slices.Insert(charges, at, added)
}

// remove takes a charge out of its slot and off the total: the next largest
// counts again.
func (c *counter) remove(gone *charge) {
	c.charges--
	charges := c.slots[gone.slot]
	if gone.slot == "" {
		last := charges[len(charges)-1]
		charges[gone.inSlot], last.inSlot = last, gone.inSlot
		charges[len(charges)-1] = nil
		c.slots[""] = charges[:len(charges)-1]
		c.total.Sub(&c.total, &gone.amount)
		return
	}
	before := c.largest(gone.slot)
	at := slices.Index(charges, gone)
	if charges = slices.Delete(charges, at, at+1); len(charges) == 0 {
		delete(c.slots, gone.slot)
	} else {
		c.slots[gone.slot] = charges
	}
	after := c.largest(gone.slot)
	c.total.Sub(&c.total, before.Sub(&before, &after))
}

// queue is a heap of charges: the first to expire is first.
type queue []*charge

// Len is called by package heap.
func (q *queue) Len() int { return len(*q) }

// Less is called by package heap.
func (q *queue) Less(i, j int) bool { return (*q)[i].expires < (*q)[j].expires }

// Swap is called by package heap.
func (q *queue) Swap(i, j int) {
	charges := *q
	charges[i], charges[j] = charges[j], charges[i]
	charges[i].place, charges[j].place = i, j
}

// Push is called by package heap.
func (q *queue) Push(x any) {
	if added, ok := x.(*charge); ok {
		added.place = len(*q)
		*q = append(*q, added)
	}
}

// Pop is called by package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	gone := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	gone.place = -1
	return gone
}
