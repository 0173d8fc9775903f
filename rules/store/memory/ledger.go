package memory

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

const (
	maxLapsed = 1 << 16 // holds that are remembered after their windows at least
	maxRoom   = 1 << 10 // charges of a counter up to which a refusal says when there is room
)

var errNoHold = errors.New("there is no such hold: it was settled before, or never made")

// Ledger implements [rules.Ledger] and [rules.Meter].
type Ledger struct {
	clock func() time.Time

	mu       sync.Mutex
	now      int64 // latest time that mattered, in nanoseconds of Unix time
	last     rules.HoldID
	counters map[string]*counter
	queue    queue
	holds    map[rules.HoldID]*hold // not settled
	lapsed   []rules.HoldID         // those whose windows have passed, and some that were settled since
}

var (
	_ rules.Ledger = (*Ledger)(nil)
	_ rules.Meter  = (*Ledger)(nil)
)

// hold is what was counted together.
type hold struct {
	charges []*charge
	live    int  // of them
	open    bool // neither committed nor released
}

// charge is one that is live, if it is in the queue.
type charge struct {
	counter string
	slot    string
	amount  uint256.Int
	expires int64
	hold    rules.HoldID
	of      *hold
	place   int // in the queue; -1 if it is not
	inSlot  int // of the slot ""
}

// NewLedger returns an empty ledger that goes by a clock; nil is the wall clock.
func NewLedger(clock func() time.Time) *Ledger {
	if clock == nil {
		clock = time.Now
	}
	return &Ledger{clock: clock, counters: make(map[string]*counter), holds: make(map[rules.HoldID]*hold)}
}

// Hold counts all charges or none.
func (l *Ledger) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	if err := rules.CheckCharges(charges); err != nil {
		return 0, err
	}
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.time()
	l.expire(now)
	held := &hold{open: true}
	id := l.last + 1
	for i := range charges {
		if err := l.add(&charges[i], now, id, held); err != nil {
			for _, charge := range held.charges {
				l.takeOff(charge)
			}
			return 0, err
		}
	}
	l.now, l.last = now, id
	l.holds[id] = held
	return id, nil
}

// time is the clock's, but never before one that mattered.
func (l *Ledger) time() int64 { return max(l.clock().UnixNano(), l.now) }

// add counts a charge, or says why not.
func (l *Ledger) add(wanted *rules.Charge, now int64, id rules.HoldID, of *hold) error {
	c := l.counters[wanted.Counter]
	if c == nil {
		c = &counter{slots: make(map[string][]*charge)}
		l.counters[wanted.Counter] = c
	}
	if wanted.Slot != "" && len(c.slots[wanted.Slot]) >= rules.MaxInSlot {
		return &rules.SlotError{Charge: *wanted}
	}
	raise := c.raise(wanted.Slot, &wanted.Amount)
	var total uint256.Int
	if _, overflow := total.AddOverflow(&c.total, &raise); !raise.IsZero() && (overflow || total.Gt(&wanted.Cap)) {
		over := &rules.OverLimitError{Charge: *wanted, Used: c.total, Raise: raise}
		if c.charges <= maxRoom {
			live, slots := l.live(wanted.Counter)
			over.RoomAfter(slices.Values(live), func(slot string) []rules.Live { return slots[slot] })
		}
		l.tidy(wanted.Counter)
		return over
	}
	charge := &charge{
		counter: wanted.Counter, slot: wanted.Slot, amount: wanted.Amount,
		expires: wanted.Expiry(now), hold: id, of: of,
	}
	c.total = total
	c.add(charge)
	heap.Push(&l.queue, charge)
	of.charges = append(of.charges, charge)
	of.live++
	return nil
}

// live returns the charges of a counter in order of expiry, and by slot.
func (l *Ledger) live(name string) (all []rules.Live, slots map[string][]rules.Live) {
	slots = make(map[string][]rules.Live)
	if c := l.counters[name]; c != nil {
		for slot, charges := range c.slots {
			for _, charge := range charges {
				one := rules.Live{Slot: slot, Amount: charge.amount, Expires: charge.expires, Open: charge.of.open}
				if charge.hold > l.last {
					one.Expires = math.MaxInt64 // of the hold that is being made
				}
				all, slots[slot] = append(all, one), append(slots[slot], one)
			}
		}
	}
	slices.SortFunc(all, func(a, b rules.Live) int { return cmp.Compare(a.Expires, b.Expires) })
	return all, slots
}

// expire takes off what no longer counts.
func (l *Ledger) expire(now int64) {
	for len(l.queue) > 0 && l.queue[0].expires <= now {
		gone := l.queue[0]
		l.now = now
		l.takeOff(gone)
		if gone.of.live == 0 && gone.of.open {
			l.lapsed = append(l.lapsed, gone.hold)
		}
	}
	if len(l.lapsed) < 2*maxLapsed {
		return
	}
	excess := len(l.lapsed) - maxLapsed
	for _, id := range l.lapsed[:excess] {
		delete(l.holds, id)
	}
	l.lapsed = slices.Clone(l.lapsed[excess:])
}

// takeOff removes a charge from the queue and its counter.
func (l *Ledger) takeOff(gone *charge) {
	heap.Remove(&l.queue, gone.place)
	gone.of.live--
	l.counters[gone.counter].remove(gone)
	l.tidy(gone.counter)
}

// tidy forgets a counter that counts nothing.
func (l *Ledger) tidy(name string) {
	if l.counters[name].charges == 0 {
		delete(l.counters, name)
	}
}

// Commit says that what a hold was for was done.
func (l *Ledger) Commit(_ context.Context, id rules.HoldID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.settle(id)
	return err
}

// Release gives a hold back.
func (l *Ledger) Release(_ context.Context, id rules.HoldID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, err := l.settle(id)
	if err != nil {
		return err
	}
	for _, charge := range held.charges {
		if charge.place >= 0 {
			l.takeOff(charge)
		}
	}
	return nil
}

func (l *Ledger) settle(id rules.HoldID) (*hold, error) {
	held := l.holds[id]
	if held == nil {
		return nil, fmt.Errorf("hold %d: %w", id, errNoHold)
	}
	delete(l.holds, id)
	held.open = false
	return held, nil
}

// Usage tells what counts against a counter, and changes nothing.
func (l *Ledger) Usage(ctx context.Context, counter string) (rules.Usage, error) {
	if err := context.Cause(ctx); err != nil {
		return rules.Usage{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	live, _ := l.live(counter)
	return rules.Tally(live, l.time()), nil
}
