package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	clients = 8
	most    = 4 // wei of one transaction

	firstRecipient = 0x10000 // no precompiled contract
)

// load is clients that send transactions as fast as they are answered. All
// send to one recipient until its limit is reached, then to the next, so that
// a limit is used up in the very requests that a crash falls into.
type load struct {
	ipc     string
	account common.Address

	replaces bool // some transactions take the nonce of one before

	recipient, nonce atomic.Uint64 // go on through all rounds

	mu      sync.Mutex
	given   []*types.Transaction // what clients received
	refused int
	faults  []error
}

// goneAfter is when a client that still waits for a signer that is gone is
// sent home: go-ethereum's client forgets the request that it was writing when
// the connection broke.
const goneAfter = time.Second

// begin connects the clients and lets them go. What it returns is called when
// their signer is gone, and waits until they have noticed.
func (l *load) begin(ctx context.Context, seed uint64) (wait func(patience time.Duration), err error) {
	connected := make([]*rpc.Client, clients)
	for i := range connected {
		if connected[i], err = rpc.DialContext(ctx, l.ipc); err != nil {
			for _, client := range connected[:i] {
				client.Close()
			}
			return func(time.Duration) {}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for i, client := range connected {
		group.Go(func() {
			defer client.Close()
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for l.send(ctx, client, l.next(rng), 1+rng.Uint64N(most)) {
			}
		})
	}
	return func(patience time.Duration) {
		defer cancel()
		defer time.AfterFunc(patience, cancel).Stop()
		group.Wait()
	}, nil
}

// clear forgets what was answered.
func (l *load) clear() { l.given, l.refused, l.faults = nil, 0, nil }

// next returns the nonce of the next transaction.
func (l *load) next(rng *rand.Rand) uint64 {
	if l.replaces && rng.IntN(4) == 0 {
		return l.nonce.Load()
	}
	return l.nonce.Add(1)
}

// send sends a transaction and reports whether the signer was still there.
func (l *load) send(ctx context.Context, client *rpc.Client, nonce, value uint64) bool {
	recipient := l.recipient.Load()
	var answer struct{ Raw hexutil.Bytes }
	err := client.CallContext(ctx, &answer, "account_signTransaction", map[string]any{
		"from": l.account, "to": common.BigToAddress(new(big.Int).SetUint64(firstRecipient + recipient)).Hex(),
		"value": hexutil.Uint64(value), "nonce": hexutil.Uint64(nonce), "gas": hexutil.Uint64(21000),
		"maxFeePerGas": hexutil.Uint64(2e9), "maxPriorityFeePerGas": hexutil.Uint64(1e9), "chainId": hexutil.Uint64(chainID),
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	var refusal rpc.Error
	switch {
	case errors.As(err, &refusal) && strings.HasPrefix(err.Error(), "request denied"):
		l.refused++
		l.recipient.CompareAndSwap(recipient, recipient+1)
	case errors.As(err, &refusal):
		l.faults = append(l.faults, fmt.Errorf("a client was told: %w", err))
	case err != nil:
		return false // the signer is gone
	default:
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(answer.Raw); err != nil {
			l.faults = append(l.faults, fmt.Errorf("a client was given %v: %w", answer.Raw, err))
			break
		}
		l.given = append(l.given, tx)
	}
	return true
}
