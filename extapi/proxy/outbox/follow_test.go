package outbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TestReorganisation: what a reorganisation takes out of the chain is under way again,
// and comes back.
func TestReorganisation(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	first := w.wantState(t, hash, StateMined)
	w.node.reorg(1)
	w.node.restart() // the pool has it no longer
	for range 3 {
		w.block(t)
	}
	w.block(t)
	again := w.wantState(t, hash, StateMined)
	if again.Block.Hash == first.Block.Hash {
		t.Error("it is in the same block")
	}
	if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 {
		t.Errorf("%d mined", n)
	}
	if next := w.mustSend(t, w.transfer(t, 2), ""); w.wantState(t, next, StateSent).Nonce != 1 {
		t.Error("the lane went back")
	}
}

// TestOtherBlock: a transaction that a reorganisation puts into another block is
// mined there.
func TestOtherBlock(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.node.set(func(n *fakeNode) { n.blocks[1].hash = common.Hash{0xee} })
	w.block(t)
	if tx := w.wantState(t, hash, StateMined); tx.Block.Hash != (common.Hash{0xee}) {
		t.Errorf("it is in %v", tx.Block.Hash)
	}
}

// TestLaggingNode: a node that answers as if it were earlier changes nothing.
func TestLaggingNode(t *testing.T) {
	w := newWorld(t, nil)
	var sent []common.Hash
	for i := range 3 {
		sent = append(sent, w.mustSend(t, w.transfer(t, i), ""))
		w.block(t)
	}
	w.node.set(func(n *fakeNode) { n.lag = 3 })
	w.step(t.Context())
	for _, hash := range sent {
		w.wantState(t, hash, StateMined)
	}
	hash := w.mustSend(t, w.transfer(t, 9), "")
	if tx := w.wantState(t, hash, StateSent); tx.Nonce != 3 {
		t.Errorf("nonce %d", tx.Nonce)
	}
	for range 4 {
		w.clock.move(time.Minute)
		w.block(t) // it is mined, and the node does not say so yet
	}
	w.node.set(func(n *fakeNode) { n.lag = 0 })
	w.block(t)
	for _, hash := range append(sent, hash) {
		w.wantState(t, hash, StateMined)
	}
}

// TestReplacedByOthers: a transaction in whose place another one is mined is given up,
// but not at once; and it is taken up again if it turns out to be mined after all.
func TestReplacedByOthers(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.restart()
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	other.mustSend(t, other.transfer(t, 10), "")
	for range patienceReplaced - 1 {
		w.clock.move(patienceUnknown)
		w.block(t)
		if tx, err := w.Show(t.Context(), hash); err != nil || !tx.State.InFlight() {
			t.Fatalf("given up at once: %+v, %v", tx, err)
		}
	}
	w.block(t)
	w.wantState(t, hash, StateReplaced)
	w.node.reorg(len(w.node.blocks) - 1)
	w.node.restart()
	for range 5 {
		w.block(t)
	}
	w.wantState(t, hash, StateMined)
}

// TestReplacedForGood: a replaced transaction is settled when it is deep enough.
func TestReplacedForGood(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.restart()
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	other.mustSend(t, other.transfer(t, 10), "")
	for range 20 {
		w.clock.move(time.Minute)
		w.block(t)
	}
	if tx := w.wantState(t, hash, StateReplaced); tx.Raw != nil || w.book.any() {
		t.Errorf("it is still followed: %+v", tx)
	}
}

// TestNodeLosesItsPool: transactions are sent again, in the order of their nonces.
func TestNodeLosesItsPool(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 20 {
		w.mustSend(t, w.transfer(t, i), "")
	}
	w.node.restart()
	w.step(t.Context())
	if w.node.pooled() != 0 {
		t.Fatal("they were sent again at once")
	}
	w.node.set(func(n *fakeNode) { n.fault = func(string, []any) (bool, error) { return false, errReset } })
	w.step(t.Context())
	w.node.set(func(n *fakeNode) { n.fault = nil })
	w.step(t.Context())
	if w.node.pooled() != 20 {
		t.Fatalf("%d wait in the pool", w.node.pooled())
	}
	again := w.node.accepted[20:]
	for i, tx := range again {
		if tx.Nonce() != uint64(i) {
			t.Errorf("nonce %d was sent at %d", tx.Nonce(), i)
		}
	}
}

// TestRestart: what was under way is found in the records and sent again.
func TestRestart(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 0), "")
	w.block(t)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.failOnce("eth_sendRawTransaction", false, errReset)
	lost := w.mustSend(t, w.transfer(t, 2), "")
	w.restart(t)
	if tx := w.wantState(t, w.mustSend(t, w.transfer(t, 3), ""), StateSent); tx.Nonce != 3 {
		t.Errorf("nonce %d", tx.Nonce)
	}
	w.step(t.Context())
	w.block(t)
	w.wantState(t, hash, StateMined)
	w.wantState(t, lost, StateMined)
	if n := len(w.node.minedOf(t, w.vault.address(0))); n != 4 {
		t.Errorf("%d mined", n)
	}
}

// TestQuietChain: a chain without blocks is not asked more and more.
func TestQuietChain(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	w.step(t.Context())
	before := w.node.called("eth_getTransactionByHash") + w.node.called("eth_getTransactionCount")
	for range 1800 { // an hour
		w.clock.move(2 * time.Second)
		w.step(t.Context())
	}
	if n := w.node.called("eth_getTransactionByHash") + w.node.called("eth_getTransactionCount") - before; n == 0 || n > 20 {
		t.Errorf("%d questions in an hour", n)
	}
	if w.node.called("eth_sendRawTransaction") != 1 {
		t.Error("it was sent again, though the node knows it")
	}
}

// TestGap: a lane that waits for a nonce says so.
func TestGap(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.tx(t, `{"to":"%v","nonce":"0x2"}`, w.vault.address(1)), "")
	w.block(t)
	listing, err := w.List(t.Context(), Filter{InFlight: true})
	if err != nil || len(listing.Lanes) != 1 || listing.Lanes[0].Missing == nil || *listing.Lanes[0].Missing != 0 {
		t.Fatalf("%+v, %v", listing, err)
	}
	w.mustSend(t, w.transfer(t, 1), "")
	w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	if listing, err = w.List(t.Context(), Filter{}); err != nil || listing.Lanes[0].Missing != nil || listing.Lanes[0].InFlight != 0 {
		t.Errorf("%+v, %v", listing, err)
	}
}

// TestRetention: finished transactions and keys go after their time, and those under
// way stay with their keys.
func TestRetention(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 40 {
		w.mustSend(t, w.transfer(t, i), fmt.Sprint("old ", i))
	}
	for range 14 {
		w.block(t)
	}
	stuck := w.mustSend(t, w.transfer(t, 99), "stuck")
	for range 2 {
		w.clock.move(8 * 24 * time.Hour)
		w.step(t.Context())
	}
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || len(listing.Transactions) != 1 || listing.Transactions[0].Hash != stuck {
		t.Fatalf("%d are left, %v", len(listing.Transactions), err)
	}
	if n := w.claims.Load(); n != 1 {
		t.Errorf("%d keys are left", n)
	}
	if again := w.mustSend(t, w.transfer(t, 99), "stuck"); again != stuck {
		t.Error("it was sent twice")
	}
	w.restart(t)
	if n := w.claims.Load(); n != 1 {
		t.Errorf("%d keys are left in the records", n)
	}
}

// TestRunEnds: Run follows until its context ends.
func TestRunEnds(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Interval = time.Millisecond })
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.mine()
	ended := make(chan error)
	stop := make(chan struct{})
	go func() { ended <- w.Run(untilClosed(t, stop)) }()
	for {
		if tx, err := w.Show(t.Context(), hash); err != nil || tx.State == StateMined {
			break
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
