package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/holiman/uint256"
)

// Bounds of charges, which every ledger keeps.
const (
	MaxCounter = 512  // bytes of a counter's name
	MaxSlot    = 192  // bytes of a slot's name
	MaxCharges = 1024 // of a hold

	// MaxInSlot is how many charges of one slot may be live at a time: a
	// transaction that is replaced more often within a window is refused.
	MaxInSlot = 256
)

// Charge is an amount that an approval counts against one limit.
type Charge struct {
	// Counter names what is counted, and per what, such as
	// "daily/value/account=0x7156…": charges with the same counter share one total.
	Counter string

	// Slot is what can be done only once, such as the transaction with a nonce of
	// an account: of the charges of a counter with the same slot only the largest
	// counts, as long as each is within its window. "" is a slot for each charge.
	Slot string

	Amount uint256.Int   // in the limit's unit: wei, tokens, signatures
	Cap    uint256.Int   // the total that may be held and spent within a window
	Window time.Duration // rolling, from the time of the hold; the same for all charges of a counter

	Limit string // the limit's id, which refusals name; "" names the counter

	// Lifted is that people are asked to let it pass its limit: Cap is none then, and Passes
	// is what it was, for them to see. Neither is stored.
	Lifted bool        `json:"-"`
	Passes uint256.Int `json:"-"`

	// Firm is a limit that nobody may approve the passing of: see
	// [Decision.OverLimit].
	Firm bool
}

// HoldID names a hold. The zero id is no hold.
type HoldID uint64

// Ledger counts charges against limits. Implementations are safe for
// concurrent use and count exactly, whatever the concurrency and wherever the
// process is killed.
//
// The total of a counter is the sum over its slots of the largest charge that is
// live: held or committed, not released, and within its window. The work for a
// hold does not grow with the number of charges that are live.
type Ledger interface {
	// Hold counts all charges or none, and has made that durable when it
	// returns. The error is an *OverLimitError if a charge would raise the total
	// of its counter, and to more than the cap: what raises nothing, such as a
	// replacement by no more than it replaces, is counted also when the cap was
	// lowered below the total meanwhile. It is a *SlotError for a slot that is full,
	// and an error for what [CheckCharges] refuses.
	Hold(ctx context.Context, charges []Charge) (HoldID, error)

	// Commit says that what a hold was for was done: it counts until its window
	// has passed. A hold that is neither committed nor released counts as well.
	Commit(ctx context.Context, id HoldID) error

	// Release gives a hold back. It is for what was certainly not done. What the
	// hold had outdone in its slots counts again.
	Release(ctx context.Context, id HoldID) error
}

// Usage is what counts against a counter at a time.
type Usage struct {
	Used uint256.Int // held and spent within the window
	Held uint256.Int // of that, what would be given back if nothing that is held was done

	// Next is when the next charge of the counter expires, and the total may fall;
	// the zero time if there is none.
	Next time.Time
}

// Meter is a ledger that can be read. Reading counts nothing, and may take time
// that grows with the number of charges: it is for people, not for decisions.
type Meter interface {
	Usage(ctx context.Context, counter string) (Usage, error)
}

// ErrNoState is why nothing is decided where the state that limits and rule files are kept
// in can't be read or written.
var ErrNoState = errors.New("the state can't be used")

// OverLimitError is a charge that would pass its cap.
type OverLimitError struct {
	Charge Charge
	Used   uint256.Int // held and spent within the window
	Raise  uint256.Int // by how much the charge would raise it: less than its amount if its slot counts something

	// Room is when there is room for the charge if nothing else is counted
	// meanwhile; the zero time if that is too costly to tell, or never.
	Room time.Time
}

// Error names the counter, the amounts and the time. It is not for callers.
func (e *OverLimitError) Error() string {
	text := fmt.Sprintf("limit %s: %s used of %s in %s, and %s more was asked for",
		e.Charge.Counter, e.Used.Dec(), e.Charge.Cap.Dec(), e.Charge.Window, e.Raise.Dec())
	switch {
	case e.Charge.Amount.Gt(&e.Charge.Cap):
		text += ", which is never within the limit"
	case !e.Room.IsZero():
		text += "; there is room from " + e.Room.UTC().Format(time.RFC3339)
	}
	return text
}

// Name is what callers may learn of the limit: its id.
func (e *OverLimitError) Name() string {
	if e.Charge.Limit != "" {
		return e.Charge.Limit
	}
	return e.Charge.Counter
}

// SlotError is a slot with as many live charges as there may be.
type SlotError struct{ Charge Charge }

// Error says what to do.
func (e *SlotError) Error() string {
	return fmt.Sprintf("limit %s: %q was asked for %d times within %s, and may be no more often: "+
		"wait, or use another nonce", e.Charge.Counter, e.Charge.Slot, MaxInSlot, e.Charge.Window)
}

// CheckCharges refuses charges that would not be counted as they are meant.
// Every ledger asks it first.
func CheckCharges(charges []Charge) error {
	if len(charges) == 0 {
		return errors.New("there is nothing to hold")
	}
	if len(charges) > MaxCharges {
		return fmt.Errorf("a hold has %d charges, and may have %d", len(charges), MaxCharges)
	}
	for i := range charges {
		charge := &charges[i]
		switch {
		case charge.Counter == "" || len(charge.Counter) > MaxCounter:
			return fmt.Errorf("the name of a counter has %d bytes, and may have 1 to %d", len(charge.Counter), MaxCounter)
		case len(charge.Slot) > MaxSlot:
			return fmt.Errorf("the name of a slot of the counter %q has %d bytes, and may have %d", charge.Counter, len(charge.Slot), MaxSlot)
		case charge.Window <= 0:
			return fmt.Errorf("the window of the counter %q is %v, which is not a time span", charge.Counter, charge.Window)
		}
	}
	return nil
}

// Expiry is when a charge that is held at a time no longer counts, both in
// nanoseconds of Unix time: the last there is if its window never passes.
func (c *Charge) Expiry(now int64) int64 {
	if int64(c.Window) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(c.Window)
}
