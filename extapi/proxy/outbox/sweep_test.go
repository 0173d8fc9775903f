package outbox

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// finishMany adds finished transactions to the records.
func (w *world) finishMany(t *testing.T, n int, when time.Time) {
	t.Helper()
	changes := make([]rules.Change, 0, 128)
	for i := range n {
		r := &record{Version: recordVersion, Transaction: Transaction{
			Chain: big.NewInt(testChain), Account: w.vault.address(2), Nonce: uint64(i), Hash: common.BigToHash(big.NewInt(int64(i + 1))),
			State: StateFinal, Value: new(big.Int), FeeCap: new(big.Int), TipCap: new(big.Int), Kept: when, Changed: when.Add(time.Duration(i)),
		}}
		value, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if changes = append(changes, rules.Change{Key: r.key(), New: value}); len(changes) == 128 || i == n-1 {
			if err := w.records.ChangeRecords(t.Context(), changes...); err != nil {
				t.Fatal(err)
			}
			changes = changes[:0]
		}
	}
}

func (w *world) finished(t *testing.T) (n int) {
	t.Helper()
	if err := w.records.EachRecord(t.Context(), prefixTransactions, func(string, []byte) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweepKeepsUp: what is past is removed as fast as it may come to be, not a few
// records a quarter of an hour.
func TestSweepKeepsUp(t *testing.T) {
	w := newWorld(t, nil)
	w.finishMany(t, sweptAtOnce+100, w.clock.time())
	w.clock.move(8 * 24 * time.Hour)
	w.step(t.Context())
	w.clock.move(15 * time.Minute)
	for range 5 {
		w.clock.move(2 * time.Second)
		w.step(t.Context())
	}
	if n := w.finished(t); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestFloodOfRefusals: a caller whose transactions the node refuses does not fill the
// store.
func TestFloodOfRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.step(t.Context())
	w.maxFinished, w.sweepAfter = 50, 20
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, &saidError{-32000, "insufficient funds " + strings.Repeat("x", 1<<12), strings.Repeat("y", 1<<15)}
			}
			return false, nil
		}
	})
	for i := range 300 {
		_, _ = w.Send(t.Context(), w.transfer(t, i), "")
		w.clock.move(time.Second)
		w.step(t.Context())
	}
	if n := w.finished(t); n > 80 {
		t.Errorf("%d are kept", n)
	}
	bytes := 0
	if err := w.records.EachRecord(t.Context(), prefixTransactions, func(_ string, value []byte) error { bytes += len(value); return nil }); err != nil {
		t.Fatal(err)
	}
	if each := bytes / max(1, w.finished(t)); each > 8<<10 {
		t.Errorf("a refusal takes %d bytes", each)
	}
}

// TestClockAhead: a clock that is ahead for a while takes no key away.
func TestClockAhead(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "k")
	for range 14 {
		w.block(t)
	}
	for _, restart := range []bool{false, true} {
		if restart {
			w.restart(t)
		}
		w.clock.move(1000 * 24 * time.Hour)
		for range 100 {
			w.step(t.Context())
			w.clock.move(2 * time.Second)
		}
		w.clock.move(-1000 * 24 * time.Hour)
		w.step(t.Context())
		if again := w.mustSend(t, w.transfer(t, 1), "k"); again != hash {
			t.Error("it was paid again")
		}
	}
}
