package outbox

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TestRolledBack: where the chain loses what was final, by a deep reorganisation or since it
// was started over, the nonces that are missing are named, and the next transactions have
// them, also after a restart.
func TestRolledBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		var log bytes.Buffer
		w := newWorld(t, func(w *world) { w.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		lost := w.mustSend(t, w.transfer(t, 1), "pay")
		w.mustSend(t, w.transfer(t, 2), "")
		for range 14 {
			w.block(t)
		}
		w.wantState(t, lost, StateFinal)
		w.node.reorg(14)
		next := w.mustSend(t, w.transfer(t, 3), "")
		if restart {
			w.restart(t)
		}
		for range 12 + patienceGap + 2 {
			w.clock.move(time.Minute)
			w.block(t)
		}
		listing, err := w.List(t.Context(), Filter{})
		if err != nil || listing.Lanes[0].Missing == nil || *listing.Lanes[0].Missing != 0 {
			t.Fatalf("%+v, %v", listing.Lanes, err)
		}
		if text := log.String(); strings.Count(text, "The chain has lost final transactions") != 1 || !strings.Contains(text, "counted=0 final=2 lost="+lost.Hex()) {
			t.Errorf("the log says %s", text)
		}
		for i := range 3 {
			w.mustSend(t, w.transfer(t, 10+i), "")
		}
		w.block(t)
		w.wantState(t, next, StateMined)
		if mined := w.node.minedOf(t, w.vault.address(0)); len(mined) != 4 || w.node.pooled() != 0 {
			t.Errorf("%d are mined, %d wait", len(mined), w.node.pooled())
		}
		for range 14 {
			w.block(t)
		}
		w.wantState(t, next, StateFinal)
		if w.book.any() {
			t.Error("something is still followed")
		}
	}
}

// TestNotRolledBack: a node that lags, is not in step yet, knows what was final, or can't
// tell, is not believed that it is gone, and nothing is sent with a nonce that was used.
func TestNotRolledBack(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.mustSend(t, w.transfer(t, i), "")
	}
	for range 40 {
		w.block(t)
	}
	w.mustSend(t, w.transfer(t, 10), "")
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	look := func(blocks int, by time.Duration) {
		for range blocks {
			w.clock.move(by)
			w.node.mine()
			w.checkRolledBack(t.Context(), l, 1)
		}
	}
	nothing := func(why string) {
		t.Helper()
		if l.final != 3 || l.used != 3 {
			t.Errorf("%s: it goes back to %d, %d", why, l.final, l.used)
		}
	}
	fails := func(of string, how error) func(string, []any) (bool, error) {
		return func(method string, _ []any) (bool, error) {
			if method == of {
				return false, how
			}
			return false, nil
		}
	}
	look(60, time.Minute)
	nothing("it knows them")
	w.node.set(func(n *fakeNode) {
		n.syncing = true
		n.blocks = n.blocks[:1]
		clear(n.pool)
	})
	look(60, time.Minute)
	nothing("it is not in step")
	w.node.set(func(n *fakeNode) { n.syncing = false })
	for _, method := range []string{"eth_syncing", "eth_getTransactionByHash", "eth_getBlockByNumber"} {
		for _, how := range []error{errReset, says("daily request count exceeded")} {
			w.node.set(func(n *fakeNode) { n.fault = fails(method, how) })
			look(60, time.Minute)
			nothing(method + ": " + how.Error())
		}
	}
	w.node.set(func(n *fakeNode) { n.fault = nil })
	for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
		w.node.set(func(n *fakeNode) { n.clock = func() time.Time { return w.clock.time().Add(wrong) } })
		look(60, time.Minute)
		nothing("its blocks are not of now")
	}
	w.node.set(func(n *fakeNode) { n.clock = w.clock.time })
	w.checkRolledBack(t.Context(), l, 3)
	look(60, time.Second)
	nothing("it is one minute")
	w.checkRolledBack(t.Context(), l, 3)
	look(12, time.Hour)
	nothing("these are 12 blocks")
	look(1, time.Minute)
	if l.final != 1 || l.used != 1 {
		t.Errorf("it is at %d, %d", l.final, l.used)
	}
}

// TestCatchesUp: a node that was set back to an old copy, and says that it is in step while
// it catches up, has no nonce signed again, even where it gives its blocks the time of now.
// That it counts too few is told.
func TestCatchesUp(t *testing.T) {
	for _, stale := range []bool{true, false} {
		var log bytes.Buffer
		w := newWorld(t, func(w *world) { w.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 60 {
			w.block(t)
		}
		for i := range 3 {
			w.mustSend(t, w.transfer(t, i), "")
		}
		for range 20 {
			w.block(t)
		}
		w.mustSend(t, w.transfer(t, 10), "")
		w.node.set(func(n *fakeNode) { n.lag = 70 })
		for range 12 + patienceGap + 3 {
			w.clock.move(time.Minute)
			w.step(t.Context())
			w.node.set(func(n *fakeNode) {
				n.lag--
				if !stale {
					n.blocks[n.head()].time = w.clock.time().Unix()
				}
			})
		}
		invoice := w.mustSend(t, w.transfer(t, 777), "invoice")
		if tx, err := w.Show(t.Context(), invoice); err != nil || tx.Nonce != 4 {
			t.Errorf("stale %v: it has %+v, %v", stale, tx, err)
		}
		if text := log.String(); !strings.Contains(text, "The node counts fewer transactions of the account than are final") {
			t.Errorf("the log says %s", text)
		}
		w.node.set(func(n *fakeNode) { n.lag = 0 })
		w.block(t)
		w.wantState(t, invoice, StateMined)
	}
}

// TestSentAgainAfterItWasLost: who sends the bytes of a transaction anew that the chain has lost
// after it was final is not told the hash of what nobody sends: it is sent. One that the chain
// has is not, also where the node has no index of old transactions.
func TestSentAgainAfterItWasLost(t *testing.T) {
	for name, c := range map[string]struct{ lost, unindexed bool }{"lost": {lost: true}, "there": {}, "not indexed": {unindexed: true}} {
		w := newWorld(t, nil)
		pay := func(key string) common.Hash {
			return w.mustSend(t, w.tx(t, `{"to":"%v","value":"0x5","nonce":"0x0","gas":"0x5208","maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x1"}`, w.vault.address(1)), key)
		}
		for range 3 {
			w.node.mine()
		}
		first := pay("a")
		for range 14 {
			w.block(t)
		}
		w.wantState(t, first, StateFinal)
		if c.lost {
			w.node.reorg(14)
		}
		if c.unindexed {
			w.node.set(func(n *fakeNode) {
				n.fault = func(method string, params []any) (bool, error) {
					if method == "eth_getTransactionByHash" || method == "eth_getTransactionReceipt" {
						params[0] = common.Hash{}
					}
					return false, nil
				}
			})
		}
		sent := w.node.called("eth_sendRawTransaction")
		for _, key := range []string{"b", "c", "b"} {
			if again := pay(key); again != first {
				t.Errorf("%s: it is another, %v", name, again)
			}
		}
		if again := w.node.called("eth_sendRawTransaction") > sent; again != c.lost {
			t.Errorf("%s: sent again: %v", name, again)
		}
		if c.lost {
			w.block(t)
			w.wantState(t, first, StateMined)
		} else {
			w.wantState(t, first, StateFinal)
		}
		if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 {
			t.Errorf("%s: %d are mined", name, n)
		}
	}
}

// TestSentAgainAfterItWasReplaced: what another transaction has replaced for good is sent again
// where the chain has lost that one.
func TestSentAgainAfterItWasReplaced(t *testing.T) {
	w := newWorld(t, nil)
	first := w.replacedForGood(t)
	if _, err := w.payFirst(t, ""); err == nil || !strings.Contains(err.Error(), "nonce 0 is used by another transaction") {
		t.Errorf("it is told %v", err)
	}
	w.node.reorg(len(w.node.blocks) - 1)
	if again, err := w.payFirst(t, ""); err != nil || again != first {
		t.Errorf("it is told %v, %v", again, err)
	}
	w.block(t)
	w.wantState(t, first, StateMined)
}
