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
	return oneByOne(ctx, n, calls)
}

// oneByOne has a node answer a batch as it answers single calls.
func oneByOne(ctx context.Context, n Node, calls []rpc.BatchElem) error {
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

// TestRaisedWithoutAReceipt: of a payment whose fees were raised, a node without receipts shows
// which of the two it mined, and a retry gets that.
func TestRaisedWithoutAReceipt(t *testing.T) {
	w := newWorld(t, nil)
	paid := w.mustSend(t, w.transfer(t, 777), "invoice")
	raised, err := w.Bump(t.Context(), paid, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.node.mine()
	w.cfg.Node = noReceipts{batchNode{w.node}, false}
	w.restart(t)
	for range 20 {
		w.clock.move(time.Minute)
		w.block(t)
	}
	w.wantState(t, raised, StateFinal)
	if tx := w.wantState(t, paid, StateReplaced); tx.ReplacedBy == nil || *tx.ReplacedBy != raised {
		t.Errorf("it was replaced by %v, not by %v", tx.ReplacedBy, raised)
	}
	if again := w.mustSend(t, w.transfer(t, 777), "invoice"); again != raised {
		t.Errorf("a retry has %v, not %v", again, raised)
	}
}

// noLookup is a node that has no receipts, and answers with an error who asks for a transaction.
type noLookup struct {
	batchNode

	code int
}

func (n noLookup) CallContext(ctx context.Context, result any, method string, params ...any) error {
	switch method {
	case "eth_getTransactionReceipt":
		n.set(func(f *fakeNode) { f.calls[method]++ })
		return nil
	case "eth_getTransactionByHash":
		return &saidError{n.code, "not to be had", nil}
	}
	return n.batchNode.CallContext(ctx, result, method, params...)
}

func (n noLookup) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	return oneByOne(ctx, n, calls)
}

// TestLookupsThatFail: a node that refuses to show transactions is asked once for each block
// and not all the time; where it has no such method nothing more is waited for.
func TestLookupsThatFail(t *testing.T) {
	for code, want := range map[int]State{codeNoMethod: StateReplaced, -32005: StateUnsure} {
		w := newWorld(t, nil)
		paid := w.mustSend(t, w.transfer(t, 777), "invoice")
		w.node.mine()
		w.cfg.Node = noLookup{batchNode{w.node}, code}
		w.restart(t)
		for range 8 {
			w.clock.move(time.Minute)
			w.block(t)
		}
		before := w.node.called("eth_getTransactionReceipt")
		for range 100 {
			w.step(t.Context())
		}
		if asked := w.node.called("eth_getTransactionReceipt") - before; asked > 2 {
			t.Errorf("%d: without a new block it is asked %d times", code, asked)
		}
		w.wantState(t, paid, want)
	}
}
