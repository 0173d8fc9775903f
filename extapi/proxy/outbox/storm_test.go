package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TestStorm: while many send, try again, raise, cancel and hang up, and the node makes
// blocks, resets, refuses and loses its pool, nobody pays twice, and who was told a hash
// without a cancellation pays.
func TestStorm(t *testing.T) {
	const senders, each = 16, 20
	w := newWorld(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method != "eth_sendRawTransaction" {
				return false, nil
			}
			switch random.IntN(12) { // with the node's lock
			case 0:
				return true, errReset
			case 1:
				return false, errReset
			case 2:
				return false, says("insufficient funds for gas * price + value")
			case 3:
				return true, says("the stars are not right")
			case 4:
				clear(n.pool)
			}
			return false, nil
		}
	})
	var (
		mu       sync.Mutex
		told     = make(map[int]common.Hash)
		canceled = make(map[int]bool)
		group    sync.WaitGroup
	)
	for s := range senders {
		group.Go(func() {
			for i := range each {
				value := 1000 + s*each + i
				partial := w.tx(t, `{"from":"%v","to":"%v","value":"%#x"}`, w.vault.address(s%2), w.vault.address(1), value)
				for try := range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					if (i+try)%7 == 3 {
						cancel()
					}
					hash, err := w.Send(ctx, partial, fmt.Sprint(value))
					cancel()
					mu.Lock()
					switch before, ok := told[value]; {
					case ok && (err != nil && ctx.Err() == nil || err == nil && before != hash):
						t.Errorf("payment %d had %v, and now %v, %v", value, before, hash, err)
					case err == nil:
						told[value] = hash
					}
					mu.Unlock()
				}
				mu.Lock()
				hash, ok := told[value]
				canceled[value] = ok && i%10 == 7
				mu.Unlock()
				switch {
				case ok && i%10 == 7:
					_, _ = w.Cancel(t.Context(), hash)
				case ok && i%5 == 3:
					_, _ = w.Bump(t.Context(), hash, 0)
				}
			}
		})
	}
	stop := make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.clock.move(time.Second)
				w.block(t)
			}
		}
	})
	group.Wait()
	close(stop)
	follower.Wait()
	settle(t, w)
	paid := make(map[int64]int)
	for account := range 2 {
		for i, tx := range w.node.minedOf(t, w.vault.address(account)) {
			if tx.Nonce() != uint64(i) {
				t.Fatalf("nonce %d is the %d. of its account", tx.Nonce(), i)
			}
			paid[tx.Value().Int64()]++
		}
	}
	for s := range senders * each {
		value := 1000 + s
		hash, ok := told[value]
		if n := paid[int64(value)]; n > 1 || ok && n == 0 && !canceled[value] || !ok && n > 0 {
			t.Errorf("payment %d was told %v, and made %d times", value, hash, n)
		}
	}
	if inFlight, _ := w.book.load(); inFlight != 0 || w.node.pooled() != 0 {
		t.Errorf("%d under way, %d wait", inFlight, w.node.pooled())
	}
}
