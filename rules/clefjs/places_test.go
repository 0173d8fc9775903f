package clefjs

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestCallsAreBounded fills all places with calls that don't end, and asks
// once more.
func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	release, entered := make(chan struct{}), make(chan struct{}, 1)
	var running, most atomic.Int64
	most.Store(int64(cap(newPlaces())))
	r := load(t, `function ApproveSignData() { return Date.now() > 0 ? "Approve" : "Reject" }`, Options{
		Timeout: MaxTimeout, WaitTimeout: time.Millisecond,
		Now: func() time.Time {
			if running.Add(1) <= most.Load() {
				entered <- struct{}{}
				<-release
			}
			return time.Unix(1, 0)
		},
	})
	var all sync.WaitGroup
	for range most.Load() {
		all.Go(func() {
			if decision, _, err := r.Evaluate(t.Context(), message("a")); decision.Verdict != rules.Approve || err != nil {
				t.Errorf("%+v, %v", decision, err)
			}
		})
		<-entered
	}
	var busy *BusyError
	if decision, _, err := r.Evaluate(t.Context(), message("b")); !errors.As(err, &busy) || busy.RetryAfter() <= 0 {
		t.Errorf("one more: %+v, %v", decision, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if decision, _, err := r.Evaluate(gone, message("b")); !errors.Is(err, context.Canceled) || errors.As(err, &busy) {
		t.Errorf("of a caller who is gone: %+v, %v", decision, err)
	}
	close(release)
	all.Wait()
	if decision := judge(t, r, message("c")); decision.Verdict != rules.Approve {
		t.Errorf("afterwards: %+v", decision)
	}
}

// TestWaitingForTheStorageTakesNoPlace has more calls wait for the storage than
// there are places. Whoever has the storage, and who does not want it, goes on.
func TestWaitingForTheStorageTakesNoPlace(t *testing.T) {
	t.Parallel()
	for name, ending := range map[string]string{"section": `; function OnApprovedTx() { storage.put("on", storage.get("n")) }`, "calls": ``} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &waited{Storage: memory.New(nil), begun: make(chan struct{}, 1)}
			r := load(t, `function ApproveTx() { storage.put("n", String(Number(storage.get("n") || "0") + 1)); return "Approve" }
			function ApproveSignData() { return "Approve" }`+ending, Options{Storage: store})
			_, first, err := r.Evaluate(t.Context(), transfer(1, big.NewInt(1), nil))
			if err != nil {
				t.Fatal(err)
			}
			<-store.begun
			var all sync.WaitGroup
			for i := range 3 * cap(newPlaces()) {
				all.Go(func() { settle(t, r, transfer(uint64(i), big.NewInt(1), nil)) })
				<-store.begun
			}
			if decision := judge(t, r, message("a")); decision.Verdict != rules.Approve {
				t.Errorf("without the storage: %+v", decision)
			}
			first.Drop()
			all.Wait()
		})
	}
}

// settle takes an approved transaction to its end, without a signature.
func settle(t *testing.T, r *Ruleset, req *rules.Request) {
	t.Helper()
	decision, hold, err := r.Evaluate(t.Context(), req)
	if err != nil || decision.Verdict != rules.Approve {
		t.Errorf("%+v, %v", decision, err)
		return
	}
	if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), req, rules.Result{Outcome: rules.NotSigned})); err != nil {
		t.Error(err)
	}
}

// waited is a storage that tells when somebody begins to wait for it.
type waited struct {
	rules.Storage
	begun chan struct{}
}

func (w *waited) Begin(ctx context.Context) (rules.StorageTx, error) {
	w.begun <- struct{}{}
	return w.Storage.Begin(ctx)
}
