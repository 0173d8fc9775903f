package outbox

import (
	"context"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// How often in a row the chain must say otherwise before it is believed: a node
// behind a load balancer may lag, and answers as if it were earlier.
const (
	patienceReplaced = 5 // blocks without a receipt, although the nonce is used
	patienceReorg    = 2 // blocks without the receipt, or with the nonce unused again
)

// How long it must say so at least, since there are chains with several blocks a
// second.
const (
	patienceUnknown = 2 * time.Minute  // before one is replaced, and nobody knows by what
	patienceSettled = 10 * time.Minute // before one that is replaced is given up
)

// follower is what the following of transactions remembers between its looks.
type follower struct {
	lost  bool      // the node did not answer at the last look
	chain string    // of the block
	block uint64    // the last one that was looked at; 0: none
	swept time.Time // the last time but for those in between

	sweptBefore time.Time // the time before it

	unswept bool // the last sweep left something
}

// Run follows transactions until ctx ends, which is not an error. It must run
// once for every outbox that sends.
func (o *Outbox) Run(ctx context.Context) error {
	ticker := time.NewTicker(o.cfg.Interval)
	defer ticker.Stop()
	for {
		o.step(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// step takes one look at the chain. What can't be found out now is left to the next.
func (o *Outbox) step(ctx context.Context) {
	if err := o.takeOver(ctx); err != nil {
		if ctx.Err() != nil {
			return // that is why
		}
		o.log.ErrorContext(ctx, "Transactions of others not taken over", "error", err)
		return // what is known may not be so any more
	}
	o.sweepSometimes(ctx)
	o.settleDoubts(ctx)
	if !o.book.any() && len(o.book.ahead("")) == 0 {
		return
	}
	chain, block, err := o.latest(ctx)
	if err != nil {
		o.follower.lost = true
		return
	}
	if o.follower.lost {
		o.follower.lost = false
		o.book.hurry(o.cfg.Clock(), o.cfg.Rebroadcast) // a node that restarted may have lost its pool
	}
	if id := chain.String(); o.follower.chain != id || o.follower.block != block {
		if o.look(ctx, id, block) {
			o.follower.chain, o.follower.block = id, block
		}
	}
	o.seek(ctx, chain.String())
}

// latest returns the node's chain and its latest block.
func (o *Outbox) latest(ctx context.Context) (*big.Int, uint64, error) {
	var (
		id     *hexutil.Big
		number *hexutil.Uint64
	)
	calls := []rpc.BatchElem{{Method: "eth_chainId", Result: &id}, {Method: "eth_blockNumber", Result: &number}}
	faults := o.client.faults.Load()
	o.client.batch(ctx, calls)
	for i := range calls {
		if calls[i].Error != nil {
			return nil, 0, calls[i].Error
		}
	}
	chain, err := o.guard.learn((*big.Int)(id), faults)
	if err != nil {
		o.log.ErrorContext(ctx, "Transactions not followed", "error", err)
		return nil, 0, err
	}
	if number == nil {
		return nil, 0, &faultError{"does not tell its latest block"}
	}
	return chain, uint64(*number), nil
}

// look goes through what the latest block may have changed. It reports whether the
// node answered all of it.
func (o *Outbox) look(ctx context.Context, chain string, block uint64) bool {
	entries := o.book.snapshot(chain)
	ahead := o.book.ahead(chain)
	o.catchUpAhead(ctx, ahead)
	counts, ok := o.counts(ctx, entries, ahead)
	updates := o.lookAtUsed(ctx, entries, counts, block, &ok)
	updates = append(updates, o.lookAtMined(ctx, entries, block, &ok)...)
	if !o.persist(ctx, updates) {
		ok = false
	}
	o.findGaps(ctx, counts)
	return ok
}

// counts asks how many transactions of each account are mined, of those of the entries and
// of some more.
func (o *Outbox) counts(ctx context.Context, entries []entry, more []*lane) (map[*lane]uint64, bool) {
	var (
		lanes []*lane
		calls []rpc.BatchElem
		known = make(map[*lane]bool)
	)
	for i := range entries {
		if l := entries[i].lane; entries[i].state != StateMined && !known[l] {
			known[l], lanes = true, append(lanes, l)
		}
	}
	for _, l := range more {
		if !known[l] {
			lanes = append(lanes, l)
		}
	}
	answers := make([]*hexutil.Uint64, len(lanes))
	for i, l := range lanes {
		calls = append(calls, rpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{l.id.account, "latest"}, Result: &answers[i]})
	}
	o.client.batch(ctx, calls)
	counts := make(map[*lane]uint64, len(lanes))
	all := true
	for i := range calls {
		if calls[i].Error != nil || answers[i] == nil {
			all = false
			continue
		}
		counts[lanes[i]] = uint64(*answers[i])
	}
	return counts, all
}
