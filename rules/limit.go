package rules

import (
	"context"
	"fmt"
	"time"

	"github.com/holiman/uint256"
)

// Charge is an amount that an approval counts against one limit.
type Charge struct {
	// Counter names what is counted, and per what, such as
	// "daily/0x7156…": charges with the same counter share one total.
	Counter string

	// Slot is what can be done only once, such as the transaction with a nonce of
	// an account: of the charges of a counter with the same slot only the largest
	// counts, as long as each is within its window. "" is a slot for each charge.
	Slot string

	Amount uint256.Int   // in the limit's unit: wei, tokens, signatures
	Cap    uint256.Int   // the total that may be held and spent within a window
	Window time.Duration // rolling, from the time of the hold; the same for all charges of a counter
}

// HoldID names a hold. The zero id is no hold.
type HoldID uint64

// Ledger counts charges against limits. Implementations are safe for
// concurrent use and count exactly, whatever the concurrency and wherever the
// process is killed.
type Ledger interface {
	// Hold counts all charges or none, and has made that durable when it
	// returns. The error is an *OverLimitError if a cap would be passed.
	Hold(ctx context.Context, charges []Charge) (HoldID, error)

	// Commit says that what a hold was for was done: it counts until its window
	// has passed. A hold that is neither committed nor released counts as well.
	Commit(ctx context.Context, id HoldID) error

	// Release gives a hold back. It is for what was certainly not done.
	Release(ctx context.Context, id HoldID) error
}

// OverLimitError is a charge that would pass its cap.
type OverLimitError struct {
	Charge Charge
	Used   uint256.Int // held and spent within the window
}

// Error names the counter and the amounts.
func (e *OverLimitError) Error() string {
	return fmt.Sprintf("limit %s: %s used of %s in %s, and %s more was asked for",
		e.Charge.Counter, e.Used.Dec(), e.Charge.Cap.Dec(), e.Charge.Window, e.Charge.Amount.Dec())
}
