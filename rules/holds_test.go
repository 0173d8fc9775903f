package rules

import (
	"context"
	"errors"
	"testing"
)

// lateHold is told of its end, and keeps nothing if it is late.
type lateHold struct {
	late bool
	told error
	done bool
}

func (*lateHold) Drop() {}

func (h *lateHold) Keep(ctx context.Context) error {
	if h.late {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (h *lateHold) Settle(ctx context.Context, _ *Request, result Result) error {
	h.told, h.done = ctx.Err(), result.Outcome == NotSigned
	return h.told
}

// TestKeptInPart: what was kept before another could not be has time to learn that nothing was
// signed, also when the other has used up all there was.
func TestKeptInPart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := &lateHold{}
	all := joined(first, &lateHold{late: true}, &lateHold{})
	cancel()
	if err := all.Keep(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, first.told) && first.told != nil {
		t.Errorf("%v", err)
	}
	if !first.done || first.told != nil {
		t.Errorf("what was kept is told %v, in a time that is over: %v", first.done, first.told)
	}
}
