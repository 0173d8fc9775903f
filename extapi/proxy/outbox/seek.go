package outbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Bounds of one look.
const (
	soughtAtOnce = 200
	resentAtOnce = 100
)

// slowest is how much longer than at first a transaction is left alone in the end.
const slowest = 32

// seek looks for transactions that have been under way for a while, and sends those
// again that the node does not know. Of several with the same nonce the newest is
// looked for, and the older ones only if the node refuses it and they do the same: what
// was cancelled, or replaced by something else, is nobody's wish any more.
func (o *Outbox) seek(ctx context.Context, chain string) {
	due := o.book.due(chain, o.cfg.Clock())
	if len(due) > soughtAtOnce {
		due = due[:soughtAtOnce]
	}
	found := make([]*struct {
		Hash  common.Hash     `json:"hash"`
		Block *hexutil.Uint64 `json:"blockNumber"`
	}, len(due))
	calls := make([]rpc.BatchElem, len(due))
	for i, e := range due {
		calls[i] = rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{e.hash}, Result: &found[i]}
	}
	o.client.batch(ctx, calls)
	var mined []entry
	resent, silent := 0, false
	for i, e := range due {
		var said *nodeError
		switch {
		case calls[i].Error != nil && !errors.As(calls[i].Error, &said): // it is still due
		case found[i] == nil: // or the node, which answers, can't tell; to send again does no harm
			if !silent && resent < resentAtOnce {
				resent++
				silent = !o.resend(ctx, e)
			}
		case found[i].Block != nil:
			mined = append(mined, e)
		default:
			o.book.later(e, StateSent, nil, o.cfg.Clock())
		}
	}
	o.take(ctx, mined)
}

// take records transactions that the node says are mined. A chain without further
// blocks would not bring them up again.
func (o *Outbox) take(ctx context.Context, mined []entry) {
	var updates []update
	blocks, _ := o.receipts(ctx, mined)
	for i, e := range mined {
		if blocks[i] != nil {
			updates = append(updates, o.mined(e, blocks[i]))
		} else {
			o.book.later(e, StateSent, nil, o.cfg.Clock())
		}
	}
	o.persist(ctx, updates)
}

// resend sends a transaction again. It reports whether the node answered. What the
// node has against it is noted, and changes nothing: it is under way until its nonce
// is used.
func (o *Outbox) resend(ctx context.Context, e entry) bool {
	var newest *types.Transaction
	for _, version := range o.book.versions(e) {
		raw, err := o.raw(ctx, version.key)
		if err != nil {
			o.log.ErrorContext(ctx, "Transaction not sent again", "hash", version.hash, "error", err)
			o.book.later(version, version.state, nil, o.cfg.Clock())
			return true
		}
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(raw); err != nil {
			o.log.ErrorContext(ctx, "Transaction not sent again", "hash", version.hash, "error", err)
			o.book.later(version, version.state, nil, o.cfg.Clock())
			return true
		}
		if newest == nil {
			newest = tx
		}
		if !sameDeed(newest, tx) {
			continue
		}
		said, node, _ := o.post(ctx, sending{version.lane.id, version.hash, raw})
		o.log.InfoContext(ctx, "Transaction sent again", "hash", version.hash, "accepted", said == accepted)
		if said == accepted {
			o.book.later(version, StateSent, nil, o.cfg.Clock())
			return true
		}
		o.book.later(version, StateUnsure, node, o.cfg.Clock())
		if node == nil {
			return false
		}
	}
	return true
}

// sameDeed reports whether two transactions of a nonce differ in fees and gas at most.
func sameDeed(x, y *types.Transaction) bool {
	sameTo := x.To() == nil && y.To() == nil || x.To() != nil && y.To() != nil && *x.To() == *y.To()
	return sameTo && x.Value().Cmp(y.Value()) == 0 && bytes.Equal(x.Data(), y.Data()) && slices.Equal(x.BlobHashes(), y.BlobHashes()) &&
		slices.Equal(x.SetCodeAuthorizations(), y.SetCodeAuthorizations())
}

// due returns what is to be looked for on a chain, the newest of each nonce, by
// account and nonce: some pools take no nonce before the one below it.
func (b *book) due(chain string, now time.Time) []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []entry
	for _, e := range b.entries {
		if e.lane.id.chain == chain && e.state.InFlight() && !e.posting && !e.due.After(now) && b.newest(e) {
			due = append(due, *e)
		}
	}
	slices.SortFunc(due, byNonce)
	return due
}

func byNonce(x, y entry) int {
	return cmp.Or(x.lane.id.account.Cmp(y.lane.id.account), cmp.Compare(x.nonce, y.nonce), x.kept.Compare(y.kept), x.hash.Cmp(y.hash))
}

// newest reports whether nothing newer of the same nonce is under way.
func (b *book) newest(e *entry) bool {
	return !slices.ContainsFunc(e.lane.entries[e.nonce], func(other *entry) bool {
		return other != e && other.state.InFlight() && other.kept.After(e.kept)
	})
}

// versions returns a transaction and the older ones of its nonce that are under
// way, the newest first.
func (b *book) versions(newest entry) []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var versions []entry
	for _, e := range newest.lane.entries[newest.nonce] {
		if e.state.InFlight() && !e.posting && !e.kept.After(newest.kept) {
			versions = append(versions, *e)
		}
	}
	slices.SortFunc(versions, func(x, y entry) int { return byNonce(y, x) })
	return versions
}

// later notes what was heard of a transaction in flight, and looks for it again
// after a longer time.
func (b *book) later(was entry, state State, node *nodeError, now time.Time) {
	b.update(was.hash, func(e *entry) {
		if !e.state.InFlight() {
			return
		}
		e.state, e.refusal = state, nil
		if node != nil {
			e.refusal = node.brief()
		}
		e.due = now.Add(e.wait)
		e.wait = min(2*e.wait, slowest*e.base)
	})
}
