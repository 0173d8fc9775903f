package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// TestLedgerModel compares ledgers with a plain model, through random holds,
// settlements and clocks. Open returns an empty one.
func TestLedgerModel(t *testing.T, open func(t *testing.T, clock func() time.Time) Ledger) {
	rapid.Check(t, func(r *rapid.T) {
		clock := NewClock(start())
		p := &property{ledger: open(t, clock.Now), clock: clock, model: newModel()}
		r.Repeat(p.actions())
	})
}

// TestDurableModel does the same with stores that are closed, and end without
// being closed. Create is as for [TestDurable]; crash, which may be nil, ends a
// store as a crash would: what opens it then finds what was durable.
func TestDurableModel(t *testing.T, create func(t *testing.T) (open func(t *testing.T, clock func() time.Time) Store), crash func(t *testing.T, store Store)) {
	rapid.Check(t, func(r *rapid.T) {
		clock := NewClock(start())
		open := create(t)
		store := open(t, clock.Now)
		p := &property{ledger: store, clock: clock, model: newModel()}
		actions := p.actions()
		actions["reopen"] = func(r *rapid.T) {
			p.noError(r, "closing", store.Close())
			store = open(t, clock.Now)
			p.ledger = store
			p.forget()
		}
		if crash != nil {
			actions["crash"] = func(*rapid.T) {
				crash(t, store)
				store = open(t, clock.Now)
				p.ledger = store
				for _, id := range slices.Sorted(maps.Keys(p.model.committed)) {
					_ = store.Commit(t.Context(), id) // which may not have been durable
				}
				p.forget()
			}
		}
		r.Repeat(actions)
		p.noError(r, "closing", store.Close())
	})
}

// property does the same to a ledger and to a model.
type property struct {
	ledger Ledger
	clock  *Clock
	model  *model
	ids    []rules.HoldID
}

func (p *property) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":         p.compare,
		"hold":     p.hold,
		"hold too": p.hold, // twice as often
		"commit":   p.commit,
		"release":  p.release,
		"advance":  p.advance,
		"set back": p.setBack,
	}
}

func counters() []string { return []string{"a", "b"} }

func (p *property) noError(r *rapid.T, what string, err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (p *property) compare(r *rapid.T) {
	for _, counter := range counters() {
		got, err := p.ledger.Usage(r.Context(), counter)
		p.noError(r, "reading", err)
		if want := p.model.usage(counter, p.clock.Now()); got != want {
			r.Fatalf("counter %s: %s used, %s held, next %v; want %s, %s, %v", counter,
				got.Used.Dec(), got.Held.Dec(), got.Next, want.Used.Dec(), want.Held.Dec(), want.Next)
		}
	}
	p.totals(r)
}

// totals compares what a store tells of all counters at once.
func (p *property) totals(r *rapid.T) {
	ledger, ok := p.ledger.(interface {
		Totals(ctx context.Context) ([]store.Counter, int, error)
	})
	if !ok {
		return
	}
	all, _, err := ledger.Totals(r.Context())
	p.noError(r, "reading all", err)
	told := make(map[string]rules.Usage)
	for _, c := range all {
		if c.Charges == 0 {
			r.Fatalf("counter %s has nothing that counts", c.Name)
		}
		told[c.Name] = rules.Usage{Used: c.Used, Held: c.Held, Next: c.Next}
	}
	for _, counter := range counters() {
		if want := p.model.usage(counter, p.clock.Now()); told[counter] != want {
			r.Fatalf("counter %s, of all: %+v, want %+v", counter, told[counter], want)
		}
	}
}

func (p *property) hold(r *rapid.T) {
	const limit = 100
	var charges []rules.Charge
	for range rapid.IntRange(1, 3).Draw(r, "charges") {
		c := charge(rapid.SampledFrom(counters()).Draw(r, "counter"), rapid.Uint64Range(0, 40).Draw(r, "amount"), limit,
			30*time.Minute*time.Duration(rapid.IntRange(1, 3).Draw(r, "window")))
		c.Slot = rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(r, "slot")
		if rapid.IntRange(0, 9).Draw(r, "lowered") == 0 {
			c.Cap = units(limit / 4)
		}
		charges = append(charges, c)
	}
	now := p.model.expire(p.clock.Now())
	used, raise, fits := p.model.refusal(charges, now)
	id, err := p.ledger.Hold(r.Context(), charges)
	if fits {
		p.noError(r, "holding", err)
		p.model.add(id, charges, now)
		p.ids = append(p.ids, id)
		return
	}
	var over *rules.OverLimitError
	if !errors.As(err, &over) || over.Used != units(used) || over.Raise != units(raise) {
		r.Fatalf("holding %v: %v; want a refusal with %d used and %d more", charges, err, used, raise)
	}
	if len(charges) == 1 {
		p.room(r, over, now)
	}
}

// room checks when a charge that was refused has room, by trying every time at
// which something expires.
func (p *property) room(r *rapid.T, over *rules.OverLimitError, now time.Time) {
	var want time.Time
	for _, c := range p.model.charges {
		if c.expires.After(now) && (want.IsZero() || c.expires.Before(want)) {
			if _, _, fits := p.model.refusal([]rules.Charge{over.Charge}, c.expires); fits {
				want = c.expires
			}
		}
	}
	if !over.Room.Equal(want) {
		r.Fatalf("%v has room from %v, want %v", over.Charge, over.Room, want)
	}
}

// some is an id that was given, settled or not.
func (p *property) some(r *rapid.T) rules.HoldID {
	if len(p.ids) == 0 {
		r.Skip("nothing was held")
	}
	return rapid.SampledFrom(p.ids).Draw(r, "id")
}

func (p *property) commit(r *rapid.T) {
	id := p.some(r)
	err := p.ledger.Commit(r.Context(), id)
	if want := p.model.settle(id); want != (err == nil) {
		r.Fatalf("committing hold %d: %v", id, err)
	}
	if err == nil {
		p.model.committed[id] = true
	}
	p.settled(r)
}

func (p *property) release(r *rapid.T) {
	id := p.some(r)
	err := p.ledger.Release(r.Context(), id)
	if want := p.model.settle(id); want != (err == nil) {
		r.Fatalf("releasing hold %d: %v", id, err)
	}
	if err == nil {
		p.model.release(id)
	}
}

// forget is for a ledger that was opened again.
func (p *property) forget() {
	forgotten := p.model.forget()
	p.ids = slices.DeleteFunc(p.ids, func(id rules.HoldID) bool { return slices.Contains(forgotten, id) })
}

// settled waits until what was committed can be read: a release that follows it
// is durable after it.
func (p *property) settled(r *rapid.T) {
	c := charge("other", 1, 1, time.Nanosecond)
	c.Slot = "one"
	now := p.model.expire(p.clock.Now())
	id, err := p.ledger.Hold(r.Context(), []rules.Charge{c})
	p.noError(r, "holding of another counter", err)
	p.model.add(id, []rules.Charge{c}, now)
	p.ids = append(p.ids, id)
}

func (p *property) advance(r *rapid.T) {
	p.clock.Advance(time.Duration(rapid.Int64Range(1, int64(40*time.Minute)).Draw(r, "by")))
}

func (p *property) setBack(r *rapid.T) {
	p.clock.Advance(-time.Duration(rapid.Int64Range(1, int64(40*time.Minute)).Draw(r, "by")))
}
