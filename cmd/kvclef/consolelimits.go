package main

import (
	"context"
	"sync"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/extapi/console"
)

// consoleLimits reads for the console what is used of limits.
type consoleLimits struct {
	state *durable

	mu   sync.Mutex // of the one who reads
	read time.Time
	last []console.LimitUse
}

// uses returns what is used of the limits of the policy in force.
func (c *consoleLimits) uses(ctx context.Context) ([]console.LimitUse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.read.IsZero() && time.Since(c.read) < limitsAge {
		return c.last, nil
	}
	c.state.reloading.Lock()
	policy, source := c.state.inForce.policy, c.state.inForce.file.source
	c.state.reloading.Unlock()
	if policy == nil || c.state.store == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	counters, _, err := c.state.store.Totals(ctx)
	if err != nil {
		return nil, err
	}
	names := policytest.NamesOf(source)
	var uses []console.LimitUse
	for _, use := range usesOf(policy, names, counters) {
		uses = append(uses, console.LimitUse{
			Limit: use.Limit, Per: use.Per, Window: use.Window, Used: use.shown[0], Held: use.shown[1], Max: use.shown[2], Free: use.shown[3],
			UsedPart: partOf(use.Used, use.Max), HeldPart: partOf(use.Held, use.Max), Room: use.Room,
		})
	}
	c.read, c.last = time.Now(), uses
	return uses, nil
}

// partOf returns how much of a whole an amount is; of nothing, any amount is all.
func partOf(amount, whole *uint256.Int) float64 {
	switch {
	case amount.IsZero():
		return 0
	case whole.IsZero():
		return 1
	default:
		return amount.Float64() / whole.Float64()
	}
}
