package outbox

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// TestCountThatNoAccountHas: a node that counts beyond all reason does not end a lane.
func TestCountThatNoAccountHas(t *testing.T) {
	for _, count := range []uint64{math.MaxUint64, math.MaxUint64 - 1, 1 << 60} {
		w := newWorld(t, nil)
		lies := countsBeyond{batchNode{w.node}, &count}
		w.cfg.Node = lies
		w.restart(t)
		_, err := w.Send(t.Context(), w.transfer(t, 1), "")
		if err == nil {
			t.Errorf("%d is believed", count)
		}
		count = 0
		w.mustSend(t, w.transfer(t, 2), "")
		w.block(t)
		if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 {
			t.Errorf("%d mined", n)
		}
	}
}

// countsBeyond is a node that counts pending transactions as it likes; 0: as they are.
type countsBeyond struct {
	batchNode
	count *uint64
}

// BatchCallContext makes calls one by one.
func (n countsBeyond) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	err := n.batchNode.BatchCallContext(ctx, calls)
	for i := range calls {
		if *n.count > 0 && calls[i].Method == "eth_getTransactionCount" && calls[i].Args[1] == "pending" {
			count := hexutil.Uint64(*n.count)
			*calls[i].Result.(**hexutil.Uint64) = &count
		}
	}
	return err
}

// TestGapHeals: when a node counted what was never mined, such as transactions of
// others that its pool has dropped since, the lane goes on with the nonces that are
// missing.
func TestGapHeals(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			count := uint64(3)
			w := newWorld(t, func(w *world) { w.cfg.Node = countsBeyond{batchNode{w.node}, &count} })
			stuck := w.mustSend(t, w.transfer(t, 1), "")
			count = 0
			if restart {
				w.restart(t)
			}
			for range patienceGap + 1 {
				w.block(t)
			}
			for i := range 4 {
				w.mustSend(t, w.transfer(t, 10+i), "")
			}
			w.block(t)
			w.wantState(t, stuck, StateMined)
			mined := w.node.minedOf(t, w.vault.address(0))
			if len(mined) != 5 || w.node.pooled() != 0 {
				t.Fatalf("%d mined, %d wait", len(mined), w.node.pooled())
			}
			if listing, err := w.List(t.Context(), Filter{}); err != nil || listing.Lanes[0].Next != 5 || listing.Lanes[0].Missing != nil {
				t.Errorf("%+v, %v", listing.Lanes, err)
			}
		})
	}
}

// TestLagIsNoGap: a node that answers late for a while makes no lane go back.
func TestLagIsNoGap(t *testing.T) {
	w := newWorld(t, nil)
	w.payFive(t)
	w.node.set(func(n *fakeNode) { n.lag = len(n.blocks) - 1 })
	w.mustSend(t, w.transfer(t, 10), "")
	for range 3 * patienceGap {
		w.clock.move(time.Minute)
		w.node.mine()
		w.step(t.Context())
	}
	hash := w.mustSend(t, w.transfer(t, 11), "")
	if tx, err := w.Show(t.Context(), hash); err != nil || tx.Nonce != 6 {
		t.Errorf("the lane went back: %+v, %v", tx, err)
	}
}

// TestGapAhead: a lane that comes to the missing nonce by itself goes on as ever, and
// shows it meanwhile.
func TestGapAhead(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.tx(t, `{"to":"%v","nonce":"0x14"}`, w.vault.address(1)), "")
	for range patienceGap + 1 {
		w.block(t)
	}
	w.mustSend(t, w.transfer(t, 1), "")
	before := w.node.called("eth_getTransactionCount")
	for range 3 {
		w.mustSend(t, w.transfer(t, 1), "")
		if l := w.book.lane(laneID{"1337", w.vault.address(0)}); l.missing == nil {
			t.Fatal("it does not show the gap")
		}
	}
	if n := w.node.called("eth_getTransactionCount") - before; n != 0 {
		t.Errorf("the node was asked %d times more", n)
	}
}

// TestGapAfterReorganisation: where a reorganisation takes back what others sent below
// ours, the lane has the nonces that are missing then.
func TestGapAfterReorganisation(t *testing.T) {
	w := newWorld(t, nil)
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	other.mustSend(t, other.transfer(t, 10), "")
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.wantState(t, hash, StateMined)
	w.node.reorg(1)
	for range patienceReorg + patienceGap + 2 {
		w.block(t)
	}
	w.mustSend(t, w.transfer(t, 2), "")
	w.block(t)
	w.wantState(t, hash, StateMined)
}

// TestNoGapWhileItCatchesUp: a node that was set back to an old copy counts too few, also
// of an account whose earlier transactions are not in the records. What is missing to it
// was used.
func TestNoGapWhileItCatchesUp(t *testing.T) {
	w := newWorld(t, nil)
	for range 20 {
		w.node.mine()
	}
	for i := range 5 {
		w.another(t, 10+i)
		w.node.mine()
	}
	for range 20 {
		w.clock.move(time.Minute)
		w.node.mine()
	}
	w.mustSend(t, w.transfer(t, 1), "")
	w.node.set(func(n *fakeNode) { n.lag = 40 })
	for range 2 * patienceGap {
		w.step(t.Context())
		w.node.set(func(n *fakeNode) { n.lag-- })
	}
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || listing.Lanes[0].Missing != nil {
		t.Errorf("it misses %d, %v", *listing.Lanes[0].Missing, err)
	}
	hash := w.mustSend(t, w.transfer(t, 2), "")
	w.node.set(func(n *fakeNode) { n.lag = 0 })
	w.block(t)
	if tx := w.wantState(t, hash, StateMined); tx.Nonce != 6 {
		t.Errorf("it has nonce %d", tx.Nonce)
	}
}
