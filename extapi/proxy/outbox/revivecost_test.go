package outbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// refusedLong is more than are asked for however long it takes.
const refusedLong = 2 * askedFirst

// refusedLongAgo has a node refuse many transactions, whose nonces are used
// in blocks that are too old to be looked into by now: by transactions of the same outbox, or by
// another sender's.
func (w *world) refusedLongAgo(t *testing.T, others bool) {
	t.Helper()
	for i := range refusedLong {
		w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
		w.wantError(t, "", "insufficient funds")
		if others {
			w.another(t, 100+i)
		} else {
			w.mustSend(t, w.transfer(t, 100+i), "")
		}
		w.clock.move(time.Minute)
		w.block(t)
	}
	for range judgedDeep + 60 {
		w.clock.move(12 * time.Second)
		w.block(t)
	}
	w.restart(t)
}

// TestLookingForRefusedIsBounded: blocks are not looked into for what is final here, and not
// again and again for what is too old, or can't be told.
func TestLookingForRefusedIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ others, untold bool }{"final here": {}, "another sender's": {others: true}, "no old states": {true, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.refusedLongAgo(t, c.others)
			if c.untold {
				w.node.set(func(n *fakeNode) {
					n.fault = func(method string, params []any) (bool, error) {
						if method == "eth_getTransactionCount" && params[1] != "latest" && params[1] != "pending" {
							return false, says("missing trie node")
						}
						return false, nil
					}
				})
			}
			for i := range 3 {
				before := w.node.called("eth_blockNumber")
				w.mustSend(t, w.transfer(t, 1000+i), "")
				searches := w.node.called("eth_blockNumber") - before
				if first := i == 0 && c.others; searches > 0 != first || searches > 1 {
					t.Errorf("transaction %d has it looked for %d blocks", i, searches)
				}
				w.clock.move(12 * time.Second)
				w.block(t)
			}
			before := w.node.called("eth_blockNumber")
			w.clock.move(againUntold)
			w.node.mine()
			w.mustSend(t, w.transfer(t, 2000), "")
			if n := w.node.called("eth_blockNumber") - before; n > 0 != c.untold {
				t.Errorf("a minute later it is looked for %d blocks", n)
			}
		})
	}
}

// TestLookingForRefusedOnASlowNode: that the time for it is over is no fault of the node, after
// which its chain would be asked for again.
func TestLookingForRefusedOnASlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		w := newWorld(t, func(w *world) {
			w.cfg.Timeout = 30 * time.Second
			w.cfg.Node = slowNode{w.node, func() <-chan time.Time {
				if !slow {
					return nil
				}
				return time.After(300 * time.Millisecond)
			}}
		})
		w.refusedLongAgo(t, true)
		faults := w.client.faults.Load()
		slow = true
		start := time.Now()
		w.mustSend(t, w.transfer(t, 1), "")
		if took := time.Since(start); took < judgedFor || took > 3*judgedFor {
			t.Errorf("it takes %v", took)
		}
		if n := w.client.faults.Load() - faults; n != 0 {
			t.Errorf("%d faults", n)
		}
	})
}

// late answers the first batch of a request that asks for transactions, and no further one.
type late struct {
	batchNode

	answered *bool
}

func (l late) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		if calls[i].Method != "eth_getTransactionByHash" {
			return l.batchNode.BatchCallContext(ctx, calls)
		}
	}
	if *l.answered {
		<-ctx.Done()
		return ctx.Err()
	}
	*l.answered = true
	return l.batchNode.BatchCallContext(ctx, calls)
}

// TestNoneIsGivenUpUnasked: where there is no time to ask for all that were refused, those that were not
// asked for are not taken for gone.
func TestNoneIsGivenUpUnasked(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for judgedFor, twice")
	}
	w := newWorld(t, nil)
	account := w.vault.address(0)
	w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.node.failOnce("eth_sendRawTransaction", true, says(poor))
	if _, err := w.Send(as(t, "payer"), w.transfer(t, 777), ""); err == nil {
		t.Fatal("it is not refused")
	}
	taken := w.node.pool[account][1]
	w.node.set(func(n *fakeNode) { delete(n.pool[account], 1) })
	w.refused(t, 40)
	w.node.set(func(n *fakeNode) { n.pool[account][1] = taken })
	for range 140 { // too deep to be found by its nonce
		w.node.mine()
	}
	answered := false
	w.cfg.Node = late{batchNode{w.node}, &answered}
	w.restart(t)
	for range 2 {
		answered = false
		if _, err := w.Send(as(t, "other"), w.transfer(t, 5), ""); err != nil {
			t.Fatal(err)
		}
		w.node.mine()
		w.step(t.Context())
		w.clock.move(11 * time.Minute)
	}
	w.client.node = batchNode{w.node}
	w.wantWarning(t, "payer", taken.Hash())
}
