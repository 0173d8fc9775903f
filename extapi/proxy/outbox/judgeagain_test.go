package outbox

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// TestMinedThoughReplaced: a transaction that was replaced for good, and that a deep
// reorganisation has mined after all, is not told to have failed when it is sent again, though
// the node counts its nonce and can't find its hash: it is itself that has used the nonce.
func TestMinedThoughReplaced(t *testing.T) {
	w := newWorld(t, nil)
	first := w.replacedForGood(t)
	w.node.reorg(len(w.node.blocks) - 1)
	w.node.mine()
	w.node.set(func(n *fakeNode) {
		n.pool[w.vault.address(0)][0] = n.accepted[0]
		n.fault = func(method string, params []any) (bool, error) {
			if method == "eth_getTransactionByHash" || method == "eth_getTransactionReceipt" {
				params[0] = common.Hash{} // it has no index
			}
			return false, nil
		}
	})
	w.node.mine()
	hash, err := w.payFirst(t, "")
	if mined := w.node.minedOf(t, w.vault.address(0)); err != nil || hash != first || len(mined) != 1 || mined[0].Hash() != first {
		t.Errorf("%v, %v; %d are mined", hash, err, len(mined))
	}
}

// TestRefusedReplacementKeepsTheLane: where the node refuses another transaction with a nonce
// that the lane has passed, the lane does not go back to it.
func TestRefusedReplacementKeepsTheLane(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	if _, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","value":"0x5","nonce":"0x0"}`, w.vault.address(1)), ""); err == nil {
		t.Fatal("it is not refused")
	}
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	stored, err := w.records.Record(t.Context(), l.key())
	if err != nil {
		t.Fatal(err)
	}
	if next, err := decodeLane(l.key(), stored); err != nil || next != 1 || l.next != 1 {
		t.Errorf("the lane is at %d, and stored at %d, %v", l.next, next, err)
	}
}

// TestReplacedIsNotGivenUpAtOnce: one block that does not have what has replaced a
// transaction does not bring it back, as when a node answers that lags; two do.
func TestReplacedIsNotGivenUpAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	old := w.mustSend(t, w.transfer(t, 1), "")
	if _, err := w.Cancel(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.block(t)
	w.wantState(t, old, StateReplaced)
	w.node.reorg(1)
	w.block(t) // as high as before
	for range patienceReorg {
		w.wantState(t, old, StateReplaced)
		w.block(t)
	}
	if tx, err := w.Show(t.Context(), old); err != nil || !tx.State.InFlight() {
		t.Errorf("%+v, %v", tx, err)
	}
}

// TestFinalAt: what is final at a nonce is what was mined, and not what it replaced.
func TestFinalAt(t *testing.T) {
	w := newWorld(t, nil)
	old := w.mustSend(t, w.transfer(t, 1), "")
	canceled, err := w.Cancel(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	for range 14 {
		w.block(t)
	}
	w.wantState(t, canceled, StateFinal)
	found, err := w.finalAt(t.Context(), w.book.lane(laneID{"1337", w.vault.address(0)}), 0)
	if err != nil || len(found) != 1 || found[0].Hash != canceled {
		t.Errorf("%d are final, %v", len(found), err)
	}
}
