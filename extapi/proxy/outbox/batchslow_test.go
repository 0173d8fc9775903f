package outbox

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// silentNode gives no answer to the next batches, and to none that has more calls than it takes.
type silentNode struct {
	batchNode
	slow   int // batches
	most   int // 0: it takes all
	http   bool
	failed int
}

func (n *silentNode) SupportsSubscriptions() bool { return !n.http }

func (n *silentNode) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	if n.slow > 0 || n.most > 0 && len(calls) > n.most {
		n.slow--
		n.failed++
		<-ctx.Done()
		return ctx.Err()
	}
	return n.batchNode.BatchCallContext(ctx, calls)
}

// ask makes a batch. It reports whether all of it was answered.
func ask(t *testing.T, c *client, n int) bool {
	t.Helper()
	calls := make([]rpc.BatchElem, n)
	for i := range calls {
		calls[i] = rpc.BatchElem{Method: "eth_chainId", Result: new(any)}
	}
	c.batch(t.Context(), calls)
	for i := range calls {
		var fault *faultError
		if errors.As(calls[i].Error, &fault) {
			return false
		}
	}
	return true
}

// TestSlowOnceIsNoRefusal: a batch that is answered too late once does not have fewer calls
// made at once; over HTTP none does, however often.
func TestSlowOnceIsNoRefusal(t *testing.T) {
	for _, http := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			node := &silentNode{batchNode: batchNode{newFakeNode()}, http: http}
			c := &client{node: node, timeout: time.Second, now: time.Now, log: slog.New(slog.DiscardHandler)}
			for range 3 {
				node.slow = 1
				if all := ask(t, c, 3); all == http {
					t.Errorf("HTTP: %v, all is answered: %v", http, all)
				}
				if !ask(t, c, 2) || !ask(t, c, 3) {
					t.Error("not all is answered")
				}
			}
			if http {
				node.slow = 2
				ask(t, c, 3)
				ask(t, c, 3)
			}
			if c.batches.most != 0 {
				t.Errorf("%d at once", c.batches.most)
			}
		})
	}
}

// TestSilentAboutLargeBatches: a node that gives no answer to batches that are too large is
// waited for twice, also while it answers smaller ones, and again some minutes later.
func TestSilentAboutLargeBatches(t *testing.T) {
	synctest.Test(t, testSilentAboutLargeBatches)
}

func testSilentAboutLargeBatches(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	node := &silentNode{batchNode: batchNode{newFakeNode()}, most: 2}
	c := &client{node: node, timeout: time.Second, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	asks := func(of int, failed int) {
		t.Helper()
		for range 100 {
			if !ask(t, c, of) || !ask(t, c, 2) {
				t.Fatal("not all is answered")
			}
		}
		if node.failed != failed {
			t.Errorf("%d batches are not answered, want %d", node.failed, failed)
		}
	}
	asks(4, 2)
	now = now.Add(batchesMore)
	asks(4, 4)
	if c.batches.most != 2 {
		t.Errorf("%d at once", c.batches.most)
	}
	node.most = 0
	for range 5 {
		now = now.Add(batchesMore)
		asks(4, 4)
	}
	if size := c.batches.size(now); size != batchSize {
		t.Errorf("%d at once", size)
	}
}
