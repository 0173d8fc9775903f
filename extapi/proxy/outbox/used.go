package outbox

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// receipt is what matters of a transaction's receipt.
type receipt struct {
	Hash        common.Hash     `json:"transactionHash"`
	BlockHash   *common.Hash    `json:"blockHash"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber"`
	Status      *hexutil.Uint64 `json:"status"` // nil before Byzantium
}

// block returns where a transaction is mined, nil if it is not. Some nodes have
// receipts of transactions that are pending.
func (r *receipt) block(hash common.Hash) *Block {
	if r == nil || r.Hash != hash || r.BlockHash == nil || r.BlockNumber == nil {
		return nil
	}
	return &Block{
		Number: uint64(*r.BlockNumber), Hash: *r.BlockHash,
		Failed: r.Status != nil && uint64(*r.Status) == types.ReceiptStatusFailed,
	}
}

// receipts asks for the receipts of transactions, nil for those that have none.
func (o *Outbox) receipts(ctx context.Context, entries []entry) (blocks []*Block, known []bool) {
	answers := make([]*receipt, len(entries))
	calls := make([]rpc.BatchElem, len(entries))
	for i := range entries {
		calls[i] = rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{entries[i].hash}, Result: &answers[i]}
	}
	o.client.batch(ctx, calls)
	blocks, known = make([]*Block, len(entries)), make([]bool, len(entries))
	for i := range entries {
		blocks[i], known[i] = answers[i].block(entries[i].hash), calls[i].Error == nil
	}
	return blocks, known
}

// lookAtUsed looks at transactions whose nonce is used on the chain: they are mined,
// or another one is in their place. Those that were replaced are looked at too,
// until that is certain.
func (o *Outbox) lookAtUsed(ctx context.Context, entries []entry, counts map[*lane]uint64, block uint64, ok *bool) []update {
	var used []entry
	var updates []update
	for i := range entries {
		e := entries[i]
		count, counted := counts[e.lane]
		switch {
		case !counted || e.posting || e.state == StateMined:
		case e.nonce < count:
			used = append(used, e)
		case e.state == StateReplaced:
			if misses, _ := o.book.miss(e.hash, o.cfg.Clock()); misses >= patienceReorg {
				updates = append(updates, o.returned(e))
			}
		default:
			o.book.hit(e.hash)
		}
	}
	blocks, known := o.receipts(ctx, used)
	mined := make(map[*lane]map[uint64]common.Hash)
	var unknown []entry
	for i := range used {
		if blocks[i] != nil {
			if mined[used[i].lane] == nil {
				mined[used[i].lane] = make(map[uint64]common.Hash)
			}
			mined[used[i].lane][used[i].nonce] = used[i].hash
		}
	}
	for i := range used {
		e := used[i]
		by, found := mined[e.lane][e.nonce]
		if !found {
			by, found = o.book.minedAt(e.lane, e.nonce)
		}
		switch {
		case !known[i]:
			*ok = false
		case blocks[i] != nil:
			update := o.mined(e, blocks[i])
			update.deep = block >= blocks[i].Number && block-blocks[i].Number >= o.cfg.Confirmations
			updates = append(updates, update)
		case e.state == StateReplaced:
			o.book.hit(e.hash)
			if o.book.settled(e.hash, block, o.cfg.Confirmations, o.cfg.Clock()) {
				updates = append(updates, update{entry: e, do: func(r *record) { r.Bytes = nil }})
			}
		case found:
			updates = append(updates, o.replaced(e, &by))
		default:
			if misses, age := o.book.miss(e.hash, o.cfg.Clock()); misses >= patienceReplaced && age >= patienceUnknown {
				unknown = append(unknown, e)
			}
		}
	}
	return append(updates, o.lookAtUnknown(ctx, unknown, ok)...)
}

// lookAtUnknown looks at transactions whose nonces are used, and that have no receipts. Some
// nodes have none, or no old ones, and know the block all the same.
func (o *Outbox) lookAtUnknown(ctx context.Context, unknown []entry, ok *bool) (updates []update) {
	found := make([]*struct {
		Hash        common.Hash     `json:"hash"`
		BlockHash   *common.Hash    `json:"blockHash"`
		BlockNumber *hexutil.Uint64 `json:"blockNumber"`
	}, len(unknown))
	calls := make([]rpc.BatchElem, len(unknown))
	for i := range unknown {
		calls[i] = rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{unknown[i].hash}, Result: &found[i]}
	}
	o.client.batch(ctx, calls)
	mined := make(map[*lane]map[uint64]common.Hash)
	for i, e := range unknown {
		is := found[i]
		if calls[i].Error != nil || is == nil || is.Hash != e.hash || is.BlockHash == nil || is.BlockNumber == nil {
			continue
		}
		if mined[e.lane] == nil {
			mined[e.lane] = make(map[uint64]common.Hash)
		}
		mined[e.lane][e.nonce] = e.hash
		updates = append(updates, o.mined(e, &Block{Number: uint64(*is.BlockNumber), Hash: *is.BlockHash}))
	}
	for i, e := range unknown {
		by, used := mined[e.lane][e.nonce]
		var fault *faultError
		switch is := found[i]; {
		case used && by == e.hash:
		case used: // as when its fees were raised
			updates = append(updates, o.replaced(e, &by))
		case errors.As(calls[i].Error, &fault):
			*ok = false
		case calls[i].Error != nil && !unknownMethod(calls[i].Error): // the node may tell another time
		case is == nil || is.Hash != e.hash:
			updates = append(updates, o.replaced(e, nil))
		default: // it is in a pool, or counted by another node
		}
	}
	return updates
}

// unknownMethod reports whether a node says that it has no such method.
func unknownMethod(err error) bool {
	var said *nodeError
	return errors.As(err, &said) && said.code == codeNoMethod
}

// mined is the update of a transaction that is in a block.
func (o *Outbox) mined(e entry, block *Block) update {
	return update{entry: e, do: func(r *record) {
		r.State, r.Block, r.ReplacedBy, r.Refusal, r.Changed = StateMined, block, nil, nil, o.cfg.Clock().UTC()
	}}
}

// replaced is the update of a transaction whose nonce another one has used, which
// is known if it is one of ours.
func (o *Outbox) replaced(e entry, by *common.Hash) update {
	return update{entry: e, do: func(r *record) {
		r.State, r.ReplacedBy, r.Changed = StateReplaced, by, o.cfg.Clock().UTC()
	}}
}

// returned is the update of a transaction that the chain has given up.
func (o *Outbox) returned(e entry) update {
	return update{entry: e, do: func(r *record) {
		r.State, r.Block, r.ReplacedBy, r.Changed = StateUnsure, nil, nil, o.cfg.Clock().UTC()
	}}
}
