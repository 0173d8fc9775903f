package outbox

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// deep makes blocks until all is final.
func (w *world) deep(t *testing.T) {
	t.Helper()
	for range 20 {
		w.clock.move(time.Minute)
		w.block(t)
	}
}

// TestRetryOfReplaced: the retry of a payment whose fees were raised has the hash of what
// was mined in its place, and that of one that was cancelled, or replaced by its sender, is
// told by what, also after a restart.
func TestRetryOfReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		replace func(w *world, old common.Hash) (common.Hash, error)
		same    bool
	}{
		"raised": {func(w *world, old common.Hash) (common.Hash, error) { return w.Bump(t.Context(), old, 0) }, true},
		"raised twice": {func(w *world, old common.Hash) (common.Hash, error) {
			raised, err := w.Bump(t.Context(), old, 0)
			if err != nil {
				return raised, err
			}
			return w.Bump(t.Context(), raised, 0)
		}, true},
		"cancelled": {func(w *world, old common.Hash) (common.Hash, error) { return w.Cancel(t.Context(), old) }, false},
		"cancelled and raised": {func(w *world, old common.Hash) (common.Hash, error) {
			canceled, err := w.Cancel(t.Context(), old)
			if err != nil {
				return canceled, err
			}
			return w.Bump(t.Context(), canceled, 0)
		}, false},
		"replaced by its sender": {func(w *world, _ common.Hash) (common.Hash, error) {
			return w.Send(t.Context(), w.tx(t, `{"to":"%v","value":"0x5","nonce":"0x0","gas":"0x6270","maxFeePerGas":"0x12a05f2000","maxPriorityFeePerGas":"0x3b9aca00"}`, w.vault.address(1)), "other")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			old := w.mustSend(t, w.transfer(t, 5), "k")
			by, err := test.replace(w, old)
			if err != nil {
				t.Fatal(err)
			}
			if again := w.mustSend(t, w.transfer(t, 5), "k"); again != old {
				t.Errorf("while both are under way it is told %v", again)
			}
			w.block(t)
			for range 2 {
				hash, err := w.Send(t.Context(), w.transfer(t, 5), "k")
				switch {
				case test.same && (err != nil || hash != by):
					t.Errorf("it is told %v, %v", hash, err)
				case !test.same && (err == nil || !strings.Contains(err.Error(), "was replaced: "+by.Hex()+" used its nonce 0")):
					t.Errorf("it is told %v, %v", hash, err)
				}
				w.deep(t)
				w.wantState(t, old, StateReplaced)
				w.wantState(t, by, StateFinal)
				w.restart(t)
			}
		})
	}
}
