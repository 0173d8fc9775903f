package outbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// takesNear has the node refuse nonces that are more than five beyond what is mined, as Besu
// does with more than 200, and all pools with those of blobs that leave a gap.
func (w *world) takesNear() {
	account := w.vault.address(0)
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if method != "eth_sendRawTransaction" {
				return false, nil
			}
			tx := new(types.Transaction)
			if err := tx.UnmarshalBinary(params[0].(hexutil.Bytes)); err != nil {
				return false, err
			}
			if tx.Nonce() <= n.blocks[len(n.blocks)-1].counts[account]+5 {
				return false, nil
			}
			return false, says("Transaction nonce is too distant from current sender nonce")
		}
	})
}

// wantLane fails the test unless the account's lane is as it is to be; a missing nonce of -1
// is none.
func (w *world) wantLane(t testing.TB, next uint64, missing int) {
	t.Helper()
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || len(listing.Lanes) != 1 {
		t.Fatalf("%+v, %v", listing, err)
	}
	is := -1
	if l := listing.Lanes[0]; l.Missing != nil {
		is = int(*l.Missing)
	}
	if listing.Lanes[0].Next != next || is != missing {
		t.Fatalf("the next nonce is %d, and %d is missing; want %d, %d", listing.Lanes[0].Next, is, next, missing)
	}
}

// goBeyond has the lane of an account go beyond what the node takes, by one count that is too
// high, after a payment that is final.
func (w *world) goBeyond(t *testing.T, count *uint64) {
	t.Helper()
	w.mustSend(t, w.transfer(t, 1), "")
	for range 14 {
		w.block(t)
	}
	w.takesNear()
	*count = 1 << 40
	w.wantError(t, "", "Transaction nonce is too distant")
	*count = 0
}

// TestWrongCountHeals: one count that was too high, after which the node refuses what is sent,
// does not leave the lane beyond what can be mined, also after a restart and at a replica.
func TestWrongCountHeals(t *testing.T) {
	for _, other := range []string{"", "restart", "replica"} {
		t.Run(other, func(t *testing.T) {
			count := uint64(0)
			worlds := newReplicas(t, 2, func(w *world) { w.cfg.Node = countsBeyond{batchNode{w.node}, &count} })
			w := worlds[0]
			w.goBeyond(t, &count)
			switch other {
			case "restart":
				w.restart(t)
			case "replica":
				w = worlds[1]
			}
			w.wantError(t, "", "Transaction nonce is too distant")
			w.wantLane(t, 1<<40, -1)
			for range patienceGap {
				w.block(t)
				w.wantLane(t, 1<<40, 1)
			}
			first := w.mustSend(t, w.transfer(t, 1), "")
			w.wantLane(t, 2, -1)
			w.restart(t)
			w.mustSend(t, w.transfer(t, 2), "")
			w.block(t)
			if tx := w.wantState(t, first, StateMined); tx.Nonce != 1 {
				t.Errorf("it has nonce %d", tx.Nonce)
			}
			w.wantLane(t, 3, -1)
			if len(w.book.ahead("")) != 0 {
				t.Error("the lane is still looked at")
			}
		})
	}
}

// TestStartedOverWhileIdle: a chain that starts over while nothing is under way, and whose node
// takes no nonces far ahead, gets the account's transactions once it shows that it has.
func TestStartedOverWhileIdle(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			w := newWorld(t, nil)
			for i := range 20 {
				w.mustSend(t, w.transfer(t, i), "")
				w.block(t)
			}
			for range 14 {
				w.block(t)
			}
			w.takesNear()
			w.node.reorg(len(w.node.blocks) - 1)
			w.block(t)
			w.wantError(t, "", "Transaction nonce is too distant")
			if restart {
				w.restart(t)
			}
			for range 12 + patienceGap + 2 {
				w.clock.move(time.Minute)
				w.block(t)
			}
			w.wantLane(t, 20, 0)
			for i := range 3 {
				w.mustSend(t, w.transfer(t, 10+i), "")
			}
			w.block(t)
			w.wantLane(t, 3, -1)
			if n := len(w.node.minedOf(t, w.vault.address(0))); n != 3 {
				t.Errorf("%d are mined", n)
			}
		})
	}
}

// TestRefusedWhileItLags: a lane does not go back by the count of a node that lags or catches
// up, also where the node has refused its last transaction and no record is left of what was
// mined before.
func TestRefusedWhileItLags(t *testing.T) {
	w := newWorld(t, nil)
	w.payFive(t)
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	w.wantError(t, "", "insufficient funds")
	w.clock.move(8 * 24 * time.Hour)
	for range 2 { // what was mined is swept
		if _, err := w.sweep(t.Context(), w.clock.time()); err != nil {
			t.Fatal(err)
		}
	}
	w.restart(t)
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	w.wantError(t, "", "insufficient funds")
	w.node.set(func(n *fakeNode) { n.lag = len(n.blocks) - 2 })
	for range 3 * patienceGap {
		w.clock.move(time.Minute)
		w.node.mine()
		w.step(t.Context())
	}
	w.wantLane(t, 5, -1)
	w.node.set(func(n *fakeNode) { n.lag = 0 })
	hash := w.mustSend(t, w.transfer(t, 9), "")
	if tx := w.wantState(t, hash, StateSent); tx.Nonce != 5 {
		t.Errorf("it has nonce %d", tx.Nonce)
	}
}
