package outbox

import (
	"context"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// lookAtMined looks whether the blocks of mined transactions are still the chain's,
// until they are deep enough. One question a block will do for all that it holds.
func (o *Outbox) lookAtMined(ctx context.Context, entries []entry, latest uint64, ok *bool) []update {
	byNumber := make(map[uint64][]entry)
	for i := range entries {
		if entries[i].state == StateMined {
			byNumber[entries[i].block.Number] = append(byNumber[entries[i].block.Number], entries[i])
		}
	}
	numbers := slices.Sorted(maps.Keys(byNumber))
	hashes, known := o.blockHashes(ctx, numbers)
	var (
		updates []update
		doubted []entry
	)
	for i, number := range numbers {
		if !known[i] {
			*ok = false
			continue
		}
		for _, e := range byNumber[number] {
			switch {
			case e.block.Hash != hashes[i]:
				doubted = append(doubted, e)
			case latest >= number && latest-number >= o.cfg.Confirmations:
				updates = append(updates, update{entry: e, do: o.final})
			default:
				o.book.hit(e.hash)
			}
		}
	}
	return append(updates, o.lookAtDoubted(ctx, doubted, ok)...)
}

// final is what becomes of a record of which the transaction is deep enough.
func (o *Outbox) final(r *record) {
	r.State, r.Bytes, r.Changed = StateFinal, nil, o.cfg.Clock().UTC()
}

// lookAtDoubted looks at transactions whose block the node does not have at its
// place. They may be in another one by now.
func (o *Outbox) lookAtDoubted(ctx context.Context, doubted []entry, ok *bool) []update {
	var updates []update
	blocks, known := o.receipts(ctx, doubted)
	for i, e := range doubted {
		switch {
		case !known[i]:
			*ok = false
		case blocks[i] != nil && blocks[i].Hash != e.block.Hash:
			updates = append(updates, o.mined(e, blocks[i]))
		case blocks[i] == nil:
			if misses, _ := o.book.miss(e.hash, o.cfg.Clock()); misses >= patienceReorg {
				updates = append(updates, o.returned(e))
			}
		}
	}
	return updates
}

// blockHashes asks for the hashes of blocks; zero is none.
func (o *Outbox) blockHashes(ctx context.Context, numbers []uint64) (hashes []common.Hash, known []bool) {
	answers := make([]*struct {
		Hash common.Hash `json:"hash"`
	}, len(numbers))
	calls := make([]rpc.BatchElem, len(numbers))
	for i, number := range numbers {
		calls[i] = rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(number), false}, Result: &answers[i]}
	}
	o.client.batch(ctx, calls)
	hashes, known = make([]common.Hash, len(numbers)), make([]bool, len(numbers))
	for i := range calls {
		known[i] = calls[i].Error == nil
		if answers[i] != nil {
			hashes[i] = answers[i].Hash
		}
	}
	return hashes, known
}
