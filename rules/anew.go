package rules

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// releaseTimeout bounds the giving back of what was held first.
const releaseTimeout = 10 * time.Second

// HoldAnew holds again what was held while people thought, so that it counts from the use
// of their approval on and not from the question: a window begins when something is signed.
// That goes by the ledger's clock alone: those of replicas may differ, and what was held may
// count no more. A charge that has a slot counts once there, so that this raises nothing as
// long as the first hold counts. Where one has none, the first is given back before, or it
// would count twice. What people may approve beyond a limit was lifted before.
//
// It returns the new hold, and what of the first is still to be given back: when the new
// one is kept, or with an error.
func HoldAnew(ctx context.Context, ledger Ledger, first []HoldID, charges []Charge) (id HoldID, left []HoldID, err error) {
	left = first
	if slices.ContainsFunc(charges, func(c Charge) bool { return c.Slot == "" }) {
		left = slices.DeleteFunc(slices.Clone(first), func(id HoldID) bool { return released(ctx, ledger, id) })
	}
	if id, err = ledger.Hold(ctx, charges); err != nil {
		return 0, left, fmt.Errorf("holding limits anew: %w", err)
	}
	return id, left, nil
}

// released gives back a hold. Nothing may be left of it; else it counts once more.
func released(ctx context.Context, ledger Ledger, id HoldID) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return ledger.Release(ctx, id) == nil
}
