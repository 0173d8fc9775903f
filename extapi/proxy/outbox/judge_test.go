package outbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// scattered is a gateway that has another node answer each call. The one that is asked for
// hashes is a block behind.
type scattered struct{ *fakeNode }

func (s scattered) CallContext(ctx context.Context, result any, method string, params ...any) error {
	s.set(func(n *fakeNode) {
		n.lag = 0
		if method == "eth_getTransactionByHash" || method == "eth_getTransactionReceipt" {
			n.lag = 1
		}
	})
	return s.fakeNode.CallContext(ctx, result, method, params...)
}

// batchless takes no batches.
type batchless struct{ scattered }

func (batchless) BatchCallContext(context.Context, []rpc.BatchElem) error {
	return rpc.HTTPError{StatusCode: 400, Status: "400 batch not supported"}
}

// split takes them apart.
type split struct{ scattered }

func (s split) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		calls[i].Error = s.CallContext(ctx, calls[i].Result, calls[i].Method, calls[i].Args...)
	}
	return nil
}

// minedAtOnce has the next transaction mined before its sender is answered, which is told
// that its nonce is used.
func (w *world) minedAtOnce() {
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if method != "eth_sendRawTransaction" {
				return false, nil
			}
			n.fault = nil
			tx := new(types.Transaction)
			if err := tx.UnmarshalBinary(params[0].(hexutil.Bytes)); err != nil {
				return false, err
			}
			n.blocks = append(n.blocks, fakeBlock{hash: common.Hash{2}, txs: []*types.Transaction{tx}, counts: map[common.Address]uint64{w.vault.address(0): tx.Nonce() + 1}})
			return false, says("nonce too low: next nonce %d, tx nonce %d", tx.Nonce()+1, tx.Nonce())
		}
	})
}

// TestUsedByItself: a transaction that was mined before its sender had an answer is not
// signed anew because one node counts it and another does not know its hash, also where
// no two calls are of the same node, and where blocks can't be looked into.
func TestUsedByItself(t *testing.T) {
	for name, of := range map[string]func(*fakeNode) Node{
		"refuses batches": func(n *fakeNode) Node { return batchless{scattered{n}} },
		"splits batches":  func(n *fakeNode) Node { return split{scattered{n}} },
	} {
		for _, blind := range []bool{false, true} {
			w := newWorld(t, func(w *world) {
				w.cfg.Node = of(w.node)
				if blind {
					w.cfg.Node = blindNode{w.cfg.Node}
				}
			})
			w.minedAtOnce()
			hash := w.mustSend(t, w.transfer(t, 1), "invoice 7")
			w.block(t)
			if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 || w.vault.signatures() != 1 {
				t.Errorf("%s, blind %v: it was paid %d times, with %d signatures", name, blind, n, w.vault.signatures())
			}
			w.block(t)
			w.wantState(t, hash, StateMined)
		}
	}
}

// blindNode shows no transactions in blocks.
type blindNode struct{ Node }

func (n blindNode) CallContext(ctx context.Context, result any, method string, params ...any) error {
	if method == "eth_getBlockByNumber" && params[1] == true {
		return says("this call is for another plan")
	}
	return n.Node.CallContext(ctx, result, method, params...)
}

// TestCountedBeforeItIsKnown: a node that counts a transaction in its pool, and can't tell
// its hash yet, does not have it paid twice.
func TestCountedBeforeItIsKnown(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 9), "")
	w.block(t)
	w.block(t)
	w.node.failOnce("eth_sendRawTransaction", true, says("nonce too low"))
	w.node.set(func(n *fakeNode) { n.lag = 1 })
	hash := w.mustSend(t, w.transfer(t, 5), "invoice 7")
	w.node.set(func(n *fakeNode) { n.lag = 0 })
	for range 3 {
		w.block(t)
	}
	w.wantState(t, hash, StateMined)
	if n := len(w.node.minedOf(t, w.vault.address(0))); n != 2 || w.vault.signatures() != 2 {
		t.Errorf("%d are mined, %d signatures", n, w.vault.signatures())
	}
}

// TestCountFromBefore: what the node counted before a reorganisation is no proof of what is
// used after it.
func TestCountFromBefore(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Node = split{scattered{w.node}} })
	w.wantState(t, w.mustSend(t, w.transfer(t, 1), ""), StateSent)
	w.block(t)
	w.block(t)
	if _, err := w.Fill(t.Context(), w.transfer(t, 2)); err != nil { // for which it is asked to count
		t.Fatal(err)
	}
	w.node.reorg(2)
	for range patienceReorg + 2 {
		w.node.restart()
		w.block(t)
	}
	listing, err := w.List(t.Context(), Filter{InFlight: true})
	if err != nil || len(listing.Transactions) != 1 {
		t.Fatalf("%+v, %v", listing, err)
	}
	w.minedAtOnce()
	hash, err := w.Bump(t.Context(), listing.Transactions[0].Hash, 0)
	if err != nil {
		t.Fatalf("it is mined, and told %v", err)
	}
	w.block(t)
	w.wantState(t, hash, StateMined)
}

// TestUsedByAnother: whose nonce another wallet has used, a moment or many blocks ago, is
// signed anew at once.
func TestUsedByAnother(t *testing.T) {
	for _, blocks := range []int{0, 1, 2, 3, 6, 7, 50, 127} {
		w := newWorld(t, nil)
		for range 3 {
			w.node.mine()
		}
		w.mustSend(t, w.transfer(t, 1), "")
		w.node.mine() // which is not noticed, so that the node is not asked for its count
		w.another(t, 10)
		for range 1 + blocks {
			w.node.mine()
		}
		before := w.node.called("eth_getTransactionCount")
		hash := w.mustSend(t, w.transfer(t, 2), "k")
		if tx := w.wantState(t, hash, StateSent); tx.Nonce != 2 {
			t.Errorf("after %d blocks it has nonce %d", blocks, tx.Nonce)
		}
		if n := w.node.called("eth_getTransactionCount") - before; n > 2+1+8+7 {
			t.Errorf("after %d blocks the node is asked for %d counts", blocks, n)
		}
		if w.vault.signatures() != 3 {
			t.Errorf("after %d blocks: %d signatures", blocks, w.vault.signatures())
		}
	}
}

// another sends with the same account from another wallet.
func (w *world) another(t *testing.T, value int) common.Hash {
	t.Helper()
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	return other.mustSend(t, other.transfer(t, value), "")
}

// TestUsedByWhom: what no node shows, or what the account has not signed, is no proof. The
// transaction stays under way, and comes to its end when it is seen that it can't be mined.
func TestUsedByWhom(t *testing.T) {
	for name, change := range map[string]func(n *fakeNode, method string, params []any) error{
		"no blocks": func(_ *fakeNode, method string, params []any) error {
			if method == "eth_getBlockByNumber" && params[1] == true {
				return errors.New("of another plan")
			}
			return nil
		},
		"no past": func(_ *fakeNode, method string, params []any) error {
			if method != "eth_getTransactionCount" {
				return nil
			}
			if _, ok := params[1].(hexutil.Uint64); ok {
				return says("missing trie node")
			}
			return nil
		},
		"another's": func(n *fakeNode, method string, params []any) error {
			if method == "eth_getBlockByNumber" && params[1] == true {
				n.forge = true
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.mustSend(t, w.transfer(t, 1), "")
			w.node.mine()
			by := w.another(t, 10)
			w.node.mine()
			w.node.set(func(n *fakeNode) {
				n.fault = func(method string, params []any) (bool, error) {
					return false, change(n, method, params)
				}
			})
			hash := w.mustSend(t, w.transfer(t, 2), "k")
			w.wantState(t, hash, StateUnsure)
			w.node.set(func(n *fakeNode) { n.fault, n.forge = nil, false })
			for range patienceReplaced + 1 {
				w.clock.move(patienceUnknown)
				w.block(t)
			}
			w.wantState(t, hash, StateReplaced)
			w.wantError(t, "k", "this idempotency key was used for another request")
			if _, err := w.Send(t.Context(), w.transfer(t, 2), "k"); err == nil || !strings.Contains(err.Error(), "nonce 1 of transaction "+hash.Hex()) {
				t.Errorf("the retry is told %v, after %v", err, by)
			}
			if w.vault.signatures() != 2 {
				t.Errorf("%d signatures", w.vault.signatures())
			}
		})
	}
}

// TestUsedManyByAnother: where nobody shows who has used a nonce, and others have used
// several, one payment is lost, and not one after the other: the lane asks how far the
// account has come.
func TestUsedManyByAnother(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	w.node.mine() // which is not noticed, so that the node is not asked for its count
	for i := range 5 {
		w.another(t, 10+i)
		w.node.mine()
	}
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if method == "eth_getTransactionCount" {
				if _, ok := params[1].(hexutil.Uint64); ok {
					return false, says("missing trie node")
				}
			}
			return false, nil
		}
	})
	lost := w.mustSend(t, w.transfer(t, 20), "")
	w.wantState(t, lost, StateUnsure)
	for i := range 5 {
		hash := w.mustSend(t, w.transfer(t, 21+i), "")
		if tx := w.wantState(t, hash, StateSent); tx.Nonce != uint64(6+i) {
			t.Errorf("payment %d has nonce %d", i, tx.Nonce)
		}
	}
	for range patienceReplaced + 1 {
		w.clock.move(patienceUnknown)
		w.block(t)
	}
	w.wantState(t, lost, StateReplaced)
	if mined := w.node.minedOf(t, w.vault.address(0)); len(mined) != 11 {
		t.Errorf("%d are mined", len(mined))
	}
}

// TestOldGivenNonce: a caller that gives a nonce which was used long ago is told so, though
// the node does not know the past.
func TestOldGivenNonce(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.another(t, 10+i)
		w.node.mine()
	}
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if method == "eth_getBlockByNumber" && params[1] == true {
				return false, errors.New("of another plan")
			}
			return false, nil
		}
	})
	given := func(nonce int) string {
		_, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","nonce":"%#x"}`, w.vault.address(1), nonce), "")
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if told := given(1); !strings.HasPrefix(told, "nonce too low") {
		t.Errorf("it is told %q", told)
	}
	w.mustSend(t, w.transfer(t, 1), "") // the lane is busy from here on
	w.node.mine()
	w.mustSend(t, w.transfer(t, 2), "")
	if told := given(3); !strings.HasPrefix(told, "nonce too low") {
		t.Errorf("it is told %q", told)
	}
}

// TestHangUpWhileItIsJudged: nobody waits for who has hung up.
func TestHangUpWhileItIsJudged(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Interval = 1 << 40 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, says("nonce too low")
			}
			if n.calls["eth_sendRawTransaction"] > 0 && method == "eth_blockNumber" {
				cancel()
			}
			return false, nil
		}
	})
	if hash, err := w.Send(ctx, w.transfer(t, 1), ""); err != nil {
		t.Errorf("it is told %v", err)
	} else {
		w.wantState(t, hash, StateUnsure)
	}
}
