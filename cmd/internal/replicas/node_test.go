//go:build linux

package replicas_test

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

const (
	payments  = 90
	senders   = 12
	blockTime = 250 * time.Millisecond
)

// sendingPolicy bounds nothing that the test sends.
const sendingPolicy = `version: 1
rules:
  - id: send
    effect: allow
    match: {kind: [transaction], method: eth_sendTransaction, principal: [` + caller + `]}
    limits:
      - {id: day, measure: value, max: 1 ether, window: 24h, per: [account]}
`

// TestInFrontOfANode: two replicas behind a balancer send for one account through a real
// node, each payment with an idempotency key. One of them is killed, the database is
// restarted, and callers who get no answer ask again with the same key. Every payment is
// mined once, with consecutive nonces.
func TestInFrontOfANode(t *testing.T) {
	t.Parallel()
	h := newHouse(t, sendingPolicy)
	node := h.inFront(t)
	replicas := h.open(t, 2)
	b := h.balance(t, proxies(replicas), 2)

	// The same at both at the same time.
	var group sync.WaitGroup
	hashes := make([]common.Hash, 2)
	for i, s := range replicas {
		client := h.dial(t, s.proxy)
		group.Go(func() { hashes[i] = h.sent(t, client, payments) })
	}
	group.Wait()
	if hashes[0] != hashes[1] {
		t.Errorf("one key has two transactions: %v", hashes)
	}

	var answered atomic.Int64
	third, two := make(chan struct{}), make(chan struct{})
	next := make(chan int)
	for range senders {
		client := h.dial(t, b.address)
		group.Go(func() {
			for i := range next {
				h.sent(t, client, i)
				switch answered.Add(1) {
				case payments / 3:
					close(third)
				case payments * 2 / 3:
					close(two)
				}
			}
		})
	}
	go func() {
		defer close(next)
		for i := range payments {
			next <- i
		}
	}()
	<-third
	replicas[1].end(t, syscall.SIGKILL)
	<-two
	h.database.Kill()
	must(t, h.database.Start(t.Context()))
	group.Wait()
	h.allMined(t, node)
	replicas[0].end(t, syscall.SIGTERM)
	h.verify(t, 2)
}

// inFront puts the replicas in front of a node, which it starts.
func (h *house) inFront(t *testing.T) *devnet.Node {
	t.Helper()
	geth, err := devnet.Geth(t.Context())
	must(t, err)
	node := h.mine(t, geth)
	h.serve = "proxy"
	h.more += fmt.Sprintf("proxy: {node: %s, addr: 127.0.0.1, port: 0, poll_interval: 200ms, tls: CERTIFICATES}\n", node.URL())
	return node
}

// mine starts a node whose chain grows, and on which the account has funds.
func (h *house) mine(t *testing.T, geth string) *devnet.Node {
	t.Helper()
	node, err := devnet.Start(t.Context(), devnet.Config{Geth: geth, Dir: t.TempDir(), Fork: devnet.Osaka, Funded: []common.Address{h.account}})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Mine(ctx, blockTime) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	})
	return node
}

// sent sends a payment, whose number is in its value, and asks again until it is told
// its hash: with the same key, or with another if it is told that nothing is under way
// for that.
func (h *house) sent(t *testing.T, client *rpc.Client, number int) (hash common.Hash) {
	key := fmt.Sprintf("payment-%d", number)
	deadline := time.Now().Add(2 * patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := client.CallContext(ctx, &hash, "eth_sendTransaction", map[string]any{
			"from": h.account, "to": common.HexToAddress("0x10000"), "value": hexutil.Uint64(number + 1),
		}, map[string]string{"idempotencyKey": key})
		cancel()
		switch {
		case err == nil:
			return hash
		case strings.Contains(err.Error(), "nothing of it is under way"):
			t.Logf("payment %d: %v", number, err)
			key += "-again"
		case time.Now().After(deadline):
			t.Errorf("payment %d: %v", number, err)
			return hash
		}
		<-tick.C
	}
}

// allMined waits until as many transactions are mined as there are payments, and checks
// that each payment is one of them.
func (h *house) allMined(t *testing.T, node *devnet.Node) {
	t.Helper()
	client := node.Client()
	deadline := time.Now().Add(2 * patience)
	tick := time.NewTicker(blockTime)
	defer tick.Stop()
	for {
		mined, err := client.NonceAt(t.Context(), h.account, nil)
		must(t, err)
		if mined > payments { // one more was sent at both
			break
		}
		if time.Now().After(deadline) {
			pending, _ := client.PendingNonceAt(t.Context(), h.account)
			t.Fatalf("%d of %d are mined, and %d more can be", mined, payments+1, pending-mined)
		}
		<-tick.C
	}
	pending, err := client.PendingNonceAt(t.Context(), h.account)
	must(t, err)
	if pending != payments+1 {
		t.Errorf("%d transactions, of %d payments", pending, payments+1)
	}
	head, err := client.BlockNumber(t.Context())
	must(t, err)
	signer := types.LatestSignerForChainID(big.NewInt(devnet.ChainID))
	times := make(map[int64]int)
	for number := uint64(0); number <= head; number++ {
		block, err := client.BlockByNumber(t.Context(), new(big.Int).SetUint64(number))
		must(t, err)
		for _, tx := range block.Transactions() {
			if from, err := types.Sender(signer, tx); err != nil || from != h.account {
				t.Errorf("a transaction of %v, %v", from, err)
			}
			times[tx.Value().Int64()]++
		}
	}
	for number := range payments + 1 {
		if n := times[int64(number+1)]; n != 1 {
			t.Errorf("payment %d is mined %d times", number, n)
		}
	}
}
