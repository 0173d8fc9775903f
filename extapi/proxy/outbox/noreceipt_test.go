package outbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// noReceipts is a node that has no receipts, nor shows a transaction if it is blind.
type noReceipts struct {
	batchNode

	blind bool
}

func (n noReceipts) CallContext(ctx context.Context, result any, method string, params ...any) error {
	if method == "eth_getTransactionReceipt" || n.blind && method == "eth_getTransactionByHash" {
		return nil
	}
	return n.batchNode.CallContext(ctx, result, method, params...)
}

func (n noReceipts) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		calls[i].Error = n.CallContext(ctx, calls[i].Result, calls[i].Method, calls[i].Args...)
	}
	return nil
}

// minedUnseen has a payment mined while the signer is not there, by a node without receipts.
func minedUnseen(t *testing.T, blind bool) (w *world, paid common.Hash) {
	w = newWorld(t, nil)
	paid = w.mustSend(t, w.transfer(t, 777), "invoice")
	w.node.mine()
	w.cfg.Node = noReceipts{batchNode{w.node}, blind}
	w.restart(t)
	for range 8 {
		w.clock.move(time.Minute)
		w.block(t)
	}
	return w, paid
}

// TestMinedWithoutAReceipt: a payment is mined also where the node has no receipts, and it is
// final when its block is deep enough.
func TestMinedWithoutAReceipt(t *testing.T) {
	w, paid := minedUnseen(t, false)
	if tx := w.wantState(t, paid, StateMined); tx.Block == nil || tx.Block.Number != 1 {
		t.Errorf("it is in %+v", tx.Block)
	}
	if again := w.mustSend(t, w.transfer(t, 777), "invoice"); again != paid {
		t.Errorf("a retry has %v", again)
	}
	for range 12 {
		w.block(t)
	}
	w.wantState(t, paid, StateFinal)
}

// TestUsedByNobodyKnows: where the node shows nothing, nobody is told that it is another
// transaction that used the nonce.
func TestUsedByNobodyKnows(t *testing.T) {
	w, paid := minedUnseen(t, true)
	w.wantState(t, paid, StateReplaced)
	_, err := w.Send(t.Context(), w.transfer(t, 777), "invoice")
	if err == nil || !strings.Contains(err.Error(), "it is not known by which transaction") || strings.Contains(err.Error(), "not mined") {
		t.Errorf("a retry is told %v", err)
	}
}
