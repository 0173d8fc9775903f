package outbox

import (
	"context"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// balanced is a node behind a load balancer, which sends a raw transaction again
// when it has no answer, and asks another node with every call or batch.
type balanced struct {
	*fakeNode
	asked *int
}

// CallContext answers with the view of the next node.
func (b balanced) CallContext(ctx context.Context, result any, method string, params ...any) error {
	b.turn()
	return b.fakeNode.CallContext(ctx, result, method, params...)
}

// BatchCallContext has one node answer all calls.
func (b balanced) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	b.turn()
	return batchNode{b.fakeNode}.BatchCallContext(ctx, calls)
}

// turn lets every second node be late.
func (b balanced) turn() {
	*b.asked++
	b.set(func(n *fakeNode) { n.lag = *b.asked % 2 })
}

// TestMinedBeforeTheAnswer: a transaction that was mined before its sender had an
// answer is not signed anew because one node says that its nonce is used, and another
// does not know it yet.
func TestMinedBeforeTheAnswer(t *testing.T) {
	for first := range 2 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			asked := 0
			w := newWorld(t, func(w *world) { w.cfg.Node = balanced{w.node, &asked} })
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
					counts := map[common.Address]uint64{w.vault.address(0): 1}
					n.blocks = append(n.blocks, fakeBlock{hash: common.Hash{2}, txs: []*types.Transaction{tx}, counts: counts})
					asked = first
					return false, says("nonce too low: next nonce 1, tx nonce 0")
				}
			})
			_, _ = w.Send(t.Context(), w.transfer(t, 1), "")
			w.block(t)
			if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 {
				t.Errorf("it was paid %d times", n)
			}
		})
	}
}
