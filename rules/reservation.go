package rules

import (
	"context"
	"time"

	"github.com/holiman/uint256"
)

// Reservation is a hold that counts, and is not durable by itself: whoever is
// given one writes it down before anything is signed, and the ledger is given it
// back if it has forgotten it, as after a crash.
type Reservation struct {
	ID      HoldID
	At      time.Time // UTC; when it was counted
	Charges []Reserved
}

// Reserved is a charge of a reservation.
type Reserved struct {
	Counter, Slot string
	Amount        uint256.Int
	Expires       time.Time // UTC; when it no longer counts
}

// Reserver is a ledger that can leave it to the record of a decision to make a
// hold durable, so that both take one flush of the disk.
type Reserver interface {
	Ledger

	// Reserve is Hold, but for what it returns: with a reservation, which is not nil,
	// the hold counts and is not durable yet. Without one it is.
	Reserve(ctx context.Context, charges []Charge) (HoldID, *Reservation, error)
}
