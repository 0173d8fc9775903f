package storetest

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// model is a ledger as plain as can be: a list of all charges ever held.
type model struct {
	latest  time.Time
	charges []modelCharge
	open    map[rules.HoldID]bool
}

type modelCharge struct {
	hold    rules.HoldID
	counter string
	amount  uint64
	expires time.Time
}

// used sums up what counts.
func (m *model) used(counter string) (sum uint64) {
	for _, c := range m.charges {
		if c.counter == counter && c.expires.After(m.latest) {
			sum += c.amount
		}
	}
	return sum
}

// hold tells what is used of the first counter whose cap would be passed.
func (m *model) hold(charges []rules.Charge) (used uint64, over bool) {
	extra := make(map[string]uint64)
	for _, c := range charges {
		used := m.used(c.Counter) + extra[c.Counter]
		if used+c.Amount.Uint64() > c.Cap.Uint64() {
			return used, true
		}
		extra[c.Counter] += c.Amount.Uint64()
	}
	return 0, false
}

func (m *model) add(id rules.HoldID, charges []rules.Charge) {
	m.open[id] = true
	for _, c := range charges {
		m.charges = append(m.charges, modelCharge{hold: id, counter: c.Counter, amount: c.Amount.Uint64(), expires: m.latest.Add(c.Window)})
	}
}

func (m *model) release(id rules.HoldID) {
	var left []modelCharge
	for _, c := range m.charges {
		if c.hold != id {
			left = append(left, c)
		}
	}
	m.charges = left
}

// forget leaves alone what a store may have forgotten when it is opened again:
// holds whose windows have passed.
func (m *model) forget() {
	counting := make(map[rules.HoldID]bool)
	for _, c := range m.charges {
		if c.expires.After(m.latest) {
			counting[c.hold] = m.open[c.hold]
		}
	}
	m.open = counting
}

// randomHolds compares a ledger with the model.
func randomHolds(t *testing.T, ledger rules.Ledger, clock *Clock) {
	random := rand.New(rand.NewPCG(3, 11))
	m := &model{open: make(map[rules.HoldID]bool)}
	for range 600 {
		randomStep(t, random, ledger, clock, m)
	}
}

// randomStep does the same to both.
func randomStep(t *testing.T, random *rand.Rand, ledger rules.Ledger, clock *Clock, m *model) {
	t.Helper()
	var some rules.HoldID
	for id := range m.open {
		some = max(some, id)
	}
	switch random.IntN(8) {
	case 0:
		clock.Advance(time.Duration(random.Int64N(int64(20 * time.Minute))))
	case 1:
		if random.IntN(10) == 0 {
			clock.Advance(-time.Duration(random.Int64N(int64(20 * time.Minute))))
		}
	case 2:
		if err := ledger.Commit(t.Context(), some); (err == nil) != m.open[some] {
			t.Fatalf("committing hold %d: %v", some, err)
		}
		delete(m.open, some)
	case 3:
		if err := ledger.Release(t.Context(), some); (err == nil) != m.open[some] {
			t.Fatalf("releasing hold %d: %v", some, err)
		}
		if m.open[some] {
			m.release(some)
			delete(m.open, some)
		}
	default:
		var charges []rules.Charge
		for range 1 + random.IntN(3) {
			window := time.Duration(1+random.IntN(3)) * 30 * time.Minute
			charges = append(charges, charge(strconv.Itoa(random.IntN(3)), random.Uint64N(30), 100, window))
		}
		if m.latest.Before(clock.Now()) {
			m.latest = clock.Now()
		}
		used, over := m.hold(charges)
		id, err := ledger.Hold(t.Context(), charges)
		if !over {
			ok(t, "holding", err)
			m.add(id, charges)
			return
		}
		var refusal *rules.OverLimitError
		if !errors.As(err, &refusal) || refusal.Used != units(used) {
			t.Fatalf("holding %v: %v; want a refusal with %d used", charges, err, used)
		}
	}
}
