package e2e_test

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
)

const (
	soakAccounts = 16
	soakCallers  = 64
)

// soakSize is how many transactions are sent: the environment's SOAK, or few.
func soakSize(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return 1600
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < soakAccounts {
		t.Fatalf("SOAK is %q, want a number from %d", text, soakAccounts)
	}
	return size
}

// TestSoak sends transactions from 16 accounts by 64 callers, and kills the node in
// the middle: in the end all are mined, each nonce once and without a gap, and no
// payment twice.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	p := build(t)
	s := p.soakStage(t)
	size := soakSize(t)

	stopMining := s.mine(t.Context())

	client, err := rpc.DialContext(t.Context(), s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var (
		next   atomic.Int64
		mu     sync.Mutex
		hashes = make(map[common.Hash]int) // by number
		crash  = make(chan struct{})
	)
	send := func(ctx context.Context, number int) error {
		key := fmt.Sprintf("payment-%d", number)
		for {
			hash, err := s.send(ctx, client, number, key)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				if other, twice := hashes[hash]; twice {
					return fmt.Errorf("%s is the answer to %d and to %d", hash, other, number)
				}
				hashes[hash] = number
				return nil
			}
			// The node is down, or just up again: the same key makes a retry safe.
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("payment %d: %w: %w", number, ctx.Err(), err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for range soakCallers {
		group.Go(func() error {
			for {
				number := int(next.Add(1))
				if number > size {
					return nil
				}
				if number == size/2 {
					close(crash)
				}
				if err := send(ctx, number); err != nil {
					return err
				}
			}
		})
	}
	group.Go(func() error {
		select {
		case <-crash:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := stopMining(); err != nil {
			return err
		}
		s.node.Crash()
		if err := s.node.Restart(t.Context()); err != nil { //nolint:contextcheck // it lives on
			return err
		}
		stopMining = s.mine(t.Context()) //nolint:contextcheck // likewise
		return nil
	})
	began := time.Now()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d transactions in %s", size, time.Since(began).Round(time.Millisecond))
	s.settled(t, size, hashes)
	if err := stopMining(); err != nil {
		t.Error(err)
	}
}

// soak is a proxy in front of a node, with 16 funded accounts.
type soak struct {
	node     *devnet.Node
	accounts []common.Address
	proxy    string
}

// mine produces blocks until it is stopped.
func (s *soak) mine(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.node.Mine(ctx, 200*time.Millisecond) }()
	return func() error {
		cancel()
		return <-done
	}
}

// soakStage starts a vault, a node and a kvclef with a policy.
func (p programs) soakStage(t *testing.T) *soak {
	t.Helper()
	vault, err := emulator.Start(t.Context(), emulator.Options{Latency: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	s := &soak{}
	if s.accounts, err = proxied.Accounts(vault, soakAccounts); err != nil {
		t.Fatal(err)
	}
	s.node, err = devnet.Start(t.Context(), devnet.Config{Geth: p.geth, Dir: t.TempDir(), Fork: devnet.Osaka, Funded: s.accounts, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s.node.Stop) })
	front, err := proxied.New(t.Context(), proxied.Config{
		Kvclef: p.kvclef, Dir: t.TempDir(), Vault: vault, Node: s.node.URL(), Policy: soakPolicy, More: []string{"confirmations: 2000"}, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := front.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, front.Stop) })
	s.proxy = front.URL()
	return s
}

// soakPolicy allows payments, and counts them.
const soakPolicy = `version: 1
rules:
  - id: payments
    effect: allow
    match: {kind: transaction, method: eth_sendTransaction, to: "` + recipient + `", value_max: 1 ether, gas_max: 100000}
    limits:
      - {measure: value, max: 1000 ether, window: 24h}
      - {measure: signatures, max: 1000000, window: 24h, per: [account]}
`

// send asks for one payment, whose value is its number.
func (s *soak) send(ctx context.Context, client *rpc.Client, number int, key string) (hash common.Hash, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = client.CallContext(ctx, &hash, "eth_sendTransaction", map[string]any{
		"from": s.accounts[number%soakAccounts], "to": recipient, "value": (*hexutil.Big)(big.NewInt(int64(number))),
	}, map[string]string{"idempotencyKey": key})
	return hash, err
}

// settled waits until every transaction is mined, and reads the chain.
func (s *soak) settled(t *testing.T, size int, hashes map[common.Hash]int) {
	t.Helper()
	eth := s.node.Client()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		var count uint64
		for _, account := range s.accounts {
			nonce, err := eth.NonceAt(t.Context(), account, nil)
			if err != nil {
				t.Fatal(err)
			}
			count += nonce
		}
		if count >= uint64(size) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d are mined", count, size)
		}
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // the chain is another program's
	}
	head, err := eth.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signer := types.LatestSignerForChainID(big.NewInt(devnet.ChainID))
	paid := make(map[int64]bool)
	nonces := make(map[common.Address]uint64)
	for number := uint64(1); number <= head; number++ {
		block, err := eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(number))
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range block.Transactions() {
			sender, err := types.Sender(signer, tx)
			if err != nil {
				t.Fatal(err)
			}
			value := tx.Value().Int64()
			if paid[value] {
				t.Errorf("payment %d is made twice", value)
			}
			paid[value] = true
			if tx.Nonce() != nonces[sender] {
				t.Errorf("nonce %d of %s follows %d", tx.Nonce(), sender, nonces[sender])
			}
			nonces[sender]++
			if told, ok := hashes[tx.Hash()]; !ok || int64(told) != value {
				t.Errorf("payment %d is %s, which its sender was not told", value, tx.Hash())
			}
		}
	}
	if len(paid) != size {
		t.Errorf("%d payments are made, want %d", len(paid), size)
	}
}
