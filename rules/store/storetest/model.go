package storetest

import (
	"maps"
	"slices"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// model is a ledger as plain as can be: a list of all charges that are live.
type model struct {
	latest    time.Time // that mattered
	charges   []modelCharge
	open      map[rules.HoldID]bool // may be settled; true: some of it is live
	committed map[rules.HoldID]bool // since the ledger was opened
}

type modelCharge struct {
	hold    rules.HoldID
	counter string
	slot    string
	amount  uint64
	expires time.Time
}

func newModel() *model {
	return &model{open: make(map[rules.HoldID]bool), committed: make(map[rules.HoldID]bool)}
}

// at is the time of the ledger when a clock shows a time.
func (m *model) at(now time.Time) time.Time {
	if now.Before(m.latest) {
		return m.latest
	}
	return now
}

// used sums up the largest live charge of each slot, of holds that count.
func (m *model) used(counter string, now time.Time, counts func(modelCharge) bool) (sum uint64) {
	slots := make(map[string]uint64)
	for _, c := range m.charges {
		switch {
		case c.counter != counter || !c.expires.After(now) || !counts(c):
		case c.slot == "":
			sum += c.amount
		default:
			slots[c.slot] = max(slots[c.slot], c.amount)
		}
	}
	for _, amount := range slots {
		sum += amount
	}
	return sum
}

func all(modelCharge) bool { return true }

// usage is what reading the ledger tells.
func (m *model) usage(counter string, clock time.Time) rules.Usage {
	now := m.at(clock)
	used := m.used(counter, now, all)
	settled := m.used(counter, now, func(c modelCharge) bool { return !m.open[c.hold] })
	usage := rules.Usage{Used: units(used), Held: units(used - settled)}
	for _, c := range m.charges {
		if c.counter == counter && c.expires.After(now) && (usage.Next.IsZero() || c.expires.Before(usage.Next)) {
			usage.Next = c.expires
		}
	}
	return usage
}

// refusal is why charges can't be held: what is used of the first counter whose
// cap would be passed, and by how much it would be raised. The second result
// says that they can.
func (m *model) refusal(charges []rules.Charge, now time.Time) (used, raise uint64, fits bool) {
	trial := &model{charges: slices.Clone(m.charges)}
	for _, c := range charges {
		before := trial.used(c.Counter, now, all)
		trial.put(0, c, now)
		after := trial.used(c.Counter, now, all)
		if after > before && after > c.Cap.Uint64() {
			return before, after - before, false
		}
	}
	return 0, 0, true
}

// expire takes off what a ledger does when it is asked to hold.
func (m *model) expire(clock time.Time) time.Time {
	now := m.at(clock)
	live := slices.DeleteFunc(slices.Clone(m.charges), func(c modelCharge) bool { return !c.expires.After(now) })
	if len(live) < len(m.charges) {
		m.latest, m.charges = now, live
	}
	m.mark()
	return now
}

func (m *model) add(id rules.HoldID, charges []rules.Charge, now time.Time) {
	m.latest = now
	m.open[id] = true
	for _, c := range charges {
		m.put(id, c, now)
	}
}

func (m *model) put(id rules.HoldID, c rules.Charge, now time.Time) {
	m.charges = append(m.charges, modelCharge{
		hold: id, counter: c.Counter, slot: c.Slot, amount: c.Amount.Uint64(), expires: now.Add(c.Window),
	})
}

// settle reports whether a hold may be settled.
func (m *model) settle(id rules.HoldID) bool {
	_, ok := m.open[id]
	delete(m.open, id)
	return ok
}

func (m *model) release(id rules.HoldID) {
	m.charges = slices.DeleteFunc(m.charges, func(c modelCharge) bool { return c.hold == id })
}

// mark finds the holds of which nothing is live.
func (m *model) mark() {
	live := make(map[rules.HoldID]bool)
	for _, c := range m.charges {
		live[c.hold] = true
	}
	for id := range m.open {
		m.open[id] = live[id]
	}
}

// forget leaves alone what a ledger may have forgotten when it is opened again:
// holds whose windows have passed. It returns the ids of those.
func (m *model) forget() (forgotten []rules.HoldID) {
	maps.DeleteFunc(m.open, func(id rules.HoldID, live bool) bool {
		if !live {
			forgotten = append(forgotten, id)
		}
		return !live
	})
	clear(m.committed)
	return forgotten
}
