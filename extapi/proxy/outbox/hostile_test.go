package outbox

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// TestReplacedOnAFastChain: receipts that come a minute late don't make a mined
// transaction a replaced one for good, however many blocks there were.
func TestReplacedOnAFastChain(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if method == "eth_getTransactionReceipt" || method == "eth_getTransactionByHash" {
				params[0] = common.Hash{} // not known yet
			}
			return false, nil
		}
	})
	for range 60 {
		w.clock.move(time.Second)
		w.block(t)
	}
	w.node.set(func(n *fakeNode) { n.fault = nil })
	w.clock.move(time.Second)
	w.block(t)
	if tx, err := w.Show(t.Context(), hash); err != nil || tx.State != StateMined && tx.State != StateFinal {
		t.Errorf("%+v, %v", tx, err)
	}
}

// TestHangUps: callers that hang up don't make the node suspect.
func TestHangUps(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	before := w.node.called("eth_chainId")
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.Send(ctx, w.transfer(t, 2), ""); err == nil {
			t.Fatal("it is sent")
		}
		w.mustSend(t, w.transfer(t, 3), "")
	}
	if n := w.node.called("eth_chainId") - before; n > 2 {
		t.Errorf("the node was asked for its chain %d times", n)
	}
}

// TestIndexingNode: transactions are sent again also where a node answers with an
// error when it is asked for one that it does not know.
func TestIndexingNode(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.restart()
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_getTransactionByHash" {
				return false, says("transaction indexing is in progress")
			}
			return false, nil
		}
	})
	w.clock.move(time.Minute)
	w.step(t.Context())
	w.block(t)
	w.wantState(t, hash, StateMined)
}

// TestDeepNumber: a block number beyond all numbers does not make a transaction final.
func TestDeepNumber(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.book.update(hash, func(e *entry) { e.block = &Block{Number: math.MaxUint64 - 11, Hash: e.block.Hash} })
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			if at, ok := params2(params); method == "eth_getBlockByNumber" && ok && at > 1<<60 {
				params[0] = hexutil.Uint64(1)
			}
			return false, nil
		}
	})
	w.block(t)
	w.wantState(t, hash, StateMined)
}

func params2(params []any) (hexutil.Uint64, bool) {
	if len(params) == 0 {
		return 0, false
	}
	at, ok := params[0].(hexutil.Uint64)
	return at, ok
}

// TestQuietChainAndStuck: on a chain without further blocks a mined transaction is
// seen also while another one can't be sent.
func TestQuietChainAndStuck(t *testing.T) {
	w := newWorld(t, nil)
	var hashes []common.Hash
	for i := range 2 {
		hashes = append(hashes, w.mustSend(t, w.tx(t, `{"from":"%v","to":"%v"}`, w.vault.address(i), w.vault.address(2)), ""))
	}
	w.node.mine()
	stuck := w.mustSend(t, w.tx(t, `{"from":"%v","to":"%v"}`, w.vault.address(0), w.vault.address(2)), "")
	also := w.mustSend(t, w.tx(t, `{"from":"%v","to":"%v"}`, w.vault.address(1), w.vault.address(2)), "")
	w.node.restart()
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, params []any) (bool, error) {
			switch method {
			case "eth_sendRawTransaction":
				return false, errReset
			case "eth_getTransactionReceipt": // late
				params[0] = common.Hash{}
			}
			return false, nil
		}
	})
	w.step(t.Context())
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, errReset
			}
			return false, nil
		}
	})
	for range 10 {
		w.clock.move(time.Hour)
		w.step(t.Context())
	}
	for _, hash := range hashes {
		w.wantState(t, hash, StateMined)
	}
	for _, hash := range []common.Hash{stuck, also} { // of the two one is tried, and the other not
		if tx, err := w.Show(t.Context(), hash); err != nil || !tx.State.InFlight() {
			t.Errorf("%+v, %v", tx, err)
		}
	}
}
