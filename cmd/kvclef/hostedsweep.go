package main

import (
	"context"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// sweepInterval is how often it is looked whether what deleted services have left is
// old enough to go.
const sweepInterval = time.Hour

// deleted has the sweeper look now. It looks by itself at the start, so that nothing is
// left of a process that ended in between.
func (h *hostRunner) deleted(string) {
	select {
	case h.sweeps <- struct{}{}:
	default: // it is about to
	}
}

// sweep removes what need not stay of deleted services, until the context ends.
func (h *hostRunner) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		if err := h.sweepOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			h.signing.log.ErrorContext(ctx, "Records of deleted services not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-h.sweeps:
		}
	}
}

// sweepOnce looks once. A service that is being made looks like one that was deleted:
// what goes of its records is what it needs no more.
func (h *hostRunner) sweepOnce(ctx context.Context, now time.Time) error {
	ids := h.records.ids()
	kept, err := hosting.ServiceIDs(ctx, h.records)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if kept[id] {
			continue
		}
		if err := outbox.SweepRemains(ctx, h.records.of(id), now.Add(-h.signing.cfg.Proxy.Retain)); err != nil {
			return err
		}
	}
	return nil
}
