package outbox

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
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

// TestNotRolledBack: a node that lags, is not in step yet, or knows what was final, is not
// believed that it is gone, and nothing is sent with a nonce that was used.
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
			w.checkRolledBack(t.Context(), l, 1)
		}
	}
	nothing := func(why string) {
		t.Helper()
		if l.final != 3 || l.used != 3 {
			t.Errorf("%s: it goes back to %d, %d", why, l.final, l.used)
		}
	}
	look(60, time.Minute)
	nothing("it knows them")
	w.node.set(func(n *fakeNode) {
		n.syncing = true
		n.blocks = n.blocks[:1]
	})
	look(60, time.Minute)
	nothing("it is not in step")
	w.node.set(func(n *fakeNode) { n.syncing = false })
	w.checkRolledBack(t.Context(), l, 3)
	look(60, time.Second)
	nothing("it is one minute")
	w.checkRolledBack(t.Context(), l, 3)
	look(12, time.Hour)
	nothing("these are 12 blocks")
	w.node.set(func(n *fakeNode) { n.fault = func(string, []any) (bool, error) { return false, errReset } })
	look(60, time.Minute)
	nothing("it gives no answer")
	w.node.set(func(n *fakeNode) { n.fault = nil })
	look(1, time.Minute)
	if l.final != 1 || l.used != 1 {
		t.Errorf("it is at %d, %d", l.final, l.used)
	}
}
