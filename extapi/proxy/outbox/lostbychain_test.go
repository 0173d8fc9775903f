package outbox

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// payFirst sends a payment that names nonce 0.
func (w *world) payFirst(t *testing.T, key string) (common.Hash, error) {
	t.Helper()
	return w.Send(t.Context(), w.tx(t, `{"to":"%v","value":"0x5","nonce":"0x0","gas":"0x5208","maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x1"}`, w.vault.address(1)), key)
}

// replacedForGood makes that payment, and has another transaction take its nonce for good.
func (w *world) replacedForGood(t *testing.T) common.Hash {
	t.Helper()
	first, err := w.payFirst(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		w.clock.move(time.Minute)
		w.block(t)
	}
	w.wantState(t, first, StateReplaced)
	return first
}

// TestFinalIsNeverRefused: a node that is behind is not believed that what is final was
// refused. Its senders are told its hash, also with the first key, and pay once.
func TestFinalIsNeverRefused(t *testing.T) {
	for _, refusal := range []string{"insufficient funds for gas * price + value", "nonce too low"} {
		w := newWorld(t, nil)
		for range 20 {
			w.block(t)
		}
		first, err := w.payFirst(t, "a")
		if err != nil {
			t.Fatal(err)
		}
		for range 14 {
			w.block(t)
		}
		w.wantState(t, first, StateFinal)
		w.node.set(func(n *fakeNode) { n.lag = 20 })
		for _, key := range []string{"b", "", "a"} {
			w.node.failOnce("eth_sendRawTransaction", false, says("%s", refusal))
			if again, err := w.payFirst(t, key); err != nil || again != first {
				t.Errorf("%s: with key %q it is told %v, %v", refusal, key, again, err)
			}
			if tx, err := w.Show(t.Context(), first); err != nil || tx.State == StateRejected {
				t.Errorf("%s: it is %+v, %v", refusal, tx, err)
			}
		}
		w.node.set(func(n *fakeNode) { n.lag, n.fault = 0, nil })
		for range 15 {
			w.block(t)
		}
		w.wantState(t, first, StateFinal)
		if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 || w.book.any() {
			t.Errorf("%s: %d are mined, followed: %v", refusal, n, w.book.any())
		}
	}
}

// TestSentAgainAfterItWasLostToThePool: what a deep reorganisation has put back into the node's
// pool is followed once its sender asks again, and sent when the pool is gone.
func TestSentAgainAfterItWasLostToThePool(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.node.mine()
	}
	first, err := w.payFirst(t, "")
	if err != nil {
		t.Fatal(err)
	}
	var tx *types.Transaction
	w.node.set(func(n *fakeNode) { tx = n.accepted[0] })
	for range 14 {
		w.block(t)
	}
	w.wantState(t, first, StateFinal)
	w.node.reorg(14)
	w.node.set(func(n *fakeNode) { n.pool[w.vault.address(0)] = map[uint64]*types.Transaction{0: tx} })
	if again, err := w.payFirst(t, ""); err != nil || again != first {
		t.Errorf("it is told %v, %v", again, err)
	}
	w.node.restart()
	for range 5 {
		w.clock.move(time.Minute)
		w.block(t)
	}
	w.wantState(t, first, StateMined)
}

// TestReplacedAndShown: what was replaced for good stays so where a gateway still shows it
// among what waits.
func TestReplacedAndShown(t *testing.T) {
	w := newWorld(t, nil)
	first := w.replacedForGood(t)
	w.cfg.Node = showsWaiting{batchNode{w.node}, first}
	w.restart(t)
	if hash, err := w.payFirst(t, ""); err == nil {
		t.Errorf("it is told %v", hash)
	}
	w.wantState(t, first, StateReplaced)
}

// showsWaiting is a node that shows a transaction as if it waited in its pool.
type showsWaiting struct {
	batchNode
	hash common.Hash
}

func (n showsWaiting) CallContext(ctx context.Context, result any, method string, params ...any) error {
	if method == "eth_getTransactionByHash" && params[0] == n.hash {
		return json.Unmarshal([]byte(`{"hash":"`+n.hash.Hex()+`","blockNumber":null}`), result)
	}
	return n.batchNode.CallContext(ctx, result, method, params...)
}

func (n showsWaiting) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		calls[i].Error = n.CallContext(ctx, calls[i].Result, calls[i].Method, calls[i].Args...)
	}
	return nil
}
