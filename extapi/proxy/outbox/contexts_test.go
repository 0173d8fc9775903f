package outbox

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// hangingUp are records whose caller hangs up at a call.
type hangingUp struct {
	rules.Records
	at func()
}

func (h *hangingUp) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	h.at()
	if err := ctx.Err(); err != nil {
		return err
	}
	defer h.at()
	return h.Records.ChangeRecords(ctx, changes...)
}

func (h *hangingUp) Record(ctx context.Context, key string) ([]byte, error) {
	h.at()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return h.Records.Record(ctx, key)
}

// TestHangUpAnywhere: wherever a caller hangs up, it is told a hash and pays, or an
// error and does not; its retry pays once in all; and the lane goes on.
func TestHangUpAnywhere(t *testing.T) {
	for _, key := range []string{"", "k"} {
		for _, answer := range []error{nil, errReset, says("insufficient funds"), says("nonce too low")} {
			point := 0
			for !hangUpAt(t, key, answer, point) {
				if point++; point > 100 {
					t.Fatal("there is no end")
				}
			}
			if point < 10 {
				t.Errorf("no more than %d points", point)
			}
		}
	}
}

// hangUpAt hangs up at a point, and reports whether there was none so late.
func hangUpAt(t *testing.T, key string, answer error, point int) (late bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var armed atomic.Bool
	var left atomic.Int64
	left.Store(int64(point))
	at := func() { // the market asks in the background
		if armed.Load() && left.Add(-1) == -1 {
			cancel()
		}
	}
	w := newWorld(t, func(w *world) { w.records = &hangingUp{w.records, at} })
	w.vault.fail = func() error { at(); return nil }
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			at()
			if armed.Load() && method == "eth_sendRawTransaction" && answer != nil {
				return false, answer
			}
			return false, nil
		}
	})
	armed.Store(true)
	hash, err := w.Send(ctx, w.transfer(t, 1), key)
	armed.Store(false)
	w.node.set(func(n *fakeNode) { n.fault = nil })
	want := 1
	if key == "" && err != nil {
		want = 0
	}
	if key != "" {
		again, failed := w.Send(t.Context(), w.transfer(t, 1), key)
		switch {
		case err == nil && (failed != nil || again != hash):
			t.Errorf("at %d after %v: told %v, then %v, %v", point, answer, hash, again, failed)
		case failed != nil:
			want = 0
		}
	}
	w.mustSend(t, w.transfer(t, 2), "")
	for range 2 {
		w.step(t.Context())
		w.block(t)
	}
	mined := w.node.minedOf(t, w.vault.address(0))
	paid := 0
	for _, tx := range mined {
		if tx.Value().Int64() == 1 {
			paid++
		}
	}
	if inFlight, _ := w.book.load(); paid != want || len(mined) != want+1 || inFlight != 0 || w.node.pooled() != 0 {
		t.Errorf("at %d with %q after %v: told %v, %v, paid %d times, want %d; %d mined, %d under way", point, key, answer, hash, err, paid, want, len(mined), inFlight)
	}
	return left.Load() >= 0
}
