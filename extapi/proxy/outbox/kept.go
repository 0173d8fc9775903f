package outbox

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Reader reads records, as [rules.Records] do.
type Reader interface {
	EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error
}

// Kept shows what the records hold of an outbox that does not run. It asks no node
// and changes nothing: a transaction that a node took is shown as unsure, since the
// records don't tell, and a gap is not looked for.
type Kept struct{ Records Reader }

// List returns the transactions that a filter chooses, as [Outbox.List] does.
func (k Kept) List(ctx context.Context, filter Filter) (*Listing, error) {
	lanes := make(map[laneID]*Lane)
	lane := func(id laneID, chain *big.Int) *Lane {
		if lanes[id] == nil {
			lanes[id] = &Lane{Chain: chain, Account: id.account}
		}
		return lanes[id]
	}
	err := k.Records.EachRecord(ctx, prefixLanes, func(key string, value []byte) error {
		id, err := laneOf(key)
		if err != nil {
			return err
		}
		if chain, _ := new(big.Int).SetString(id.chain, 10); filter.covers(chain, id.account) {
			lane(id, chain).Next, err = decodeLane(key, value)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading lanes: %w", err)
	}
	listing, err := collect(ctx, k.Records, filter, func(r *record) Transaction {
		if r.State.InFlight() && filter.covers(r.Chain, r.Account) {
			lane(r.lane(), r.Chain).InFlight++
		}
		return r.Transaction
	})
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		listing.Lanes = append(listing.Lanes, *l)
	}
	slices.SortFunc(listing.Lanes, func(x, y Lane) int { return cmp.Or(x.Chain.Cmp(y.Chain), x.Account.Cmp(y.Account)) })
	return listing, nil
}

// Show returns one transaction with its bytes, if they are still kept.
func (k Kept) Show(ctx context.Context, hash common.Hash) (*Transaction, error) {
	r, err := search(ctx, k.Records, hash)
	if err != nil {
		return nil, err
	}
	shown := r.Transaction
	shown.Raw = r.Bytes
	return &shown, nil
}
