package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// checkRolledBack finds out that the chain has lost what was final: by a reorganisation that
// was deeper than is waited for, or since it was started over, as chains for development
// are. Else an account would never come below what was final, and all that it sends would
// wait for ever. A node that lags, or that catches up from an old copy, counts too few as
// well, and nonces that were used must not be signed again: so it must do so for many
// blocks, for some minutes, and show that what was final is gone.
func (o *Outbox) checkRolledBack(ctx context.Context, l *lane, count uint64) {
	final, blocks, age := o.book.below(l, count, o.cfg.Clock())
	if blocks <= max(o.cfg.Confirmations, patienceReplaced) || age < patienceSettled {
		return
	}
	attrs := []slog.Attr{slog.String("chain", l.id.chain), slog.Any("account", l.id.account), slog.Uint64("counted", count), slog.Uint64("final", final)}
	lost, err := o.finalAt(ctx, l, count, final-1)
	if err == nil {
		err = o.checkGone(ctx, lost)
	}
	if err != nil {
		o.book.disbelieve(l) // which it says again when it is so for as long again
		o.log.LogAttrs(ctx, slog.LevelWarn, "The node counts fewer transactions of the account than are final: nothing is sent with a nonce that was final, "+
			"and what is sent next waits for them. Look whether the node is in step with the chain", append(attrs, slog.Any("error", err))...)
		return
	}
	o.book.rollBack(l, count)
	attrs = append(attrs, slog.Any("lost", lost[0].Hash))
	o.log.LogAttrs(ctx, slog.LevelWarn, "The chain has lost final transactions of the account: what is sent next has their nonces, and they are not sent again. "+
		"Where this was a reorganisation, raise proxy.confirmations, and look at what was paid; a chain that was started over needs a new state", attrs...)
}

// finalAt returns the final transactions of some nonces that are still in the records.
func (o *Outbox) finalAt(ctx context.Context, l *lane, nonces ...uint64) (found []*record, err error) {
	for _, nonce := range nonces {
		prefix := fmt.Sprintf("%s%s/%020d/", prefixTransactions, l.id.path(), nonce)
		err := o.cfg.Records.EachRecord(ctx, prefix, func(key string, value []byte) error {
			r, err := decodeRecord(key, value)
			if err == nil && r.State == StateFinal {
				found = append(found, r)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking for final transactions: %w", err)
		}
	}
	return found, nil
}

// checkGone returns an error unless the node shows that the chain is another one than that
// in which some transactions were final: its latest block is of now, it has another block
// in the place of one of theirs, and it knows none of them. What it can't tell is no proof.
func (o *Outbox) checkGone(ctx context.Context, final []*record) error {
	type block struct {
		Hash common.Hash    `json:"hash"`
		Time hexutil.Uint64 `json:"timestamp"`
	}
	var (
		syncing json.RawMessage
		latest  *block
		known   = make([]json.RawMessage, len(final))
		places  = make([]*block, len(final))
	)
	calls := []rpc.BatchElem{{Method: "eth_syncing", Result: &syncing}, {Method: "eth_getBlockByNumber", Args: []any{"latest", false}, Result: &latest}}
	for i, r := range final {
		calls = append(calls, rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{r.Hash}, Result: &known[i]})
		if r.Block != nil {
			calls = append(calls, rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(r.Block.Number), false}, Result: &places[i]})
		}
	}
	o.client.batch(ctx, calls)
	for i := range calls {
		if calls[i].Error != nil {
			return fmt.Errorf("%s: %w", calls[i].Method, calls[i].Error)
		}
	}
	if latest == nil {
		return errors.New("the node does not show its latest block")
	}
	switch {
	case len(final) == 0:
		return errors.New("no record is left of what was final, which the node could be asked for")
	case !bytes.Equal(syncing, []byte("false")):
		return errors.New("the node is syncing")
	case !o.near(latest.Time):
		return fmt.Errorf("the node's latest block is of %s, and it is %s", blockTime(latest.Time).UTC().Format(time.RFC3339), o.cfg.Clock().UTC().Format(time.RFC3339))
	}
	shown := false
	for i, r := range final {
		switch {
		case len(known[i]) > 0 && !bytes.Equal(known[i], []byte("null")):
			return fmt.Errorf("the node knows transaction %v", r.Hash)
		case places[i] == nil || places[i].Hash == common.Hash{}:
		case places[i].Hash == r.Block.Hash:
			return fmt.Errorf("the node has block %d with transaction %v", r.Block.Number, r.Hash)
		default:
			shown = true
		}
	}
	if !shown {
		return errors.New("the node has no block yet in the place of those with the final transactions")
	}
	return nil
}

// lostByChain reports whether a transaction that is done with by its record, and without its
// bytes, is so no more, since the chain has gone back: who sends it again must not be told
// that it is sent, for nobody sends it. The node is asked how far the account has come and
// whether the transaction is in a block, and where it has used the nonce, for that block. One
// that is in the node's pool alone is lost too: the pool may drop it. A node that is behind
// says the same, so this is no proof that a transaction is gone.
func (o *Outbox) lostByChain(ctx context.Context, l *lane, r *record) (bool, error) {
	if r.followed() {
		return false, nil
	}
	seen, mined, err := o.isMined(ctx, l, r.Hash)
	switch {
	case err != nil:
		return false, err
	case mined:
		return r.State == StateReplaced, nil // it is the one that is mined, after all
	case seen.mined <= r.Nonce:
		return true, nil
	}
	// A node that has no index of old transactions does not know them.
	by, err := o.userOf(ctx, l, r.Nonce)
	return err == nil && (by == r.Hash) == (r.State == StateReplaced), nil
}

// isMined asks the node how far an account has come, and whether a transaction is in a block.
func (o *Outbox) isMined(ctx context.Context, l *lane, hash common.Hash) (seen standing, mined bool, err error) {
	var (
		counted counting
		shown   *receipt
		found   *struct {
			Hash  common.Hash     `json:"hash"`
			Block *hexutil.Uint64 `json:"blockNumber"`
		}
	)
	calls := append(counted.calls(l.id.account),
		rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{hash}, Result: &found},
		rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{hash}, Result: &shown})
	faults := o.client.faults.Load()
	o.client.batch(ctx, calls)
	if shown.block(hash) != nil || found != nil && found.Hash == hash && found.Block != nil {
		return seen, true, nil
	}
	for i := range calls {
		if calls[i].Error != nil {
			return seen, false, calls[i].Error
		}
	}
	seen, err = o.counted(&counted, l.id.chain, faults)
	return seen, false, err
}

// below notes that the node counts fewer transactions of a lane than are final, if it does.
// It returns how many those are, and at how many blocks in a row and for how long it has.
func (b *book) below(l *lane, count uint64, now time.Time) (final, blocks uint64, age time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if count >= l.final {
		l.below = 0
		return l.final, 0, 0
	}
	if l.below++; l.below == 1 || now.Before(l.belowSince) {
		l.belowSince = now
	}
	return l.final, l.below, now.Sub(l.belowSince)
}

// isFinal reports whether a nonce of a lane is final.
func (b *book) isFinal(l *lane, nonce uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return nonce < l.final
}

// disbelieve notes that a node which counts fewer transactions than are final is not believed.
func (b *book) disbelieve(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.below = 0
}

// rollBack notes that nothing of a lane is final from a nonce on.
func (b *book) rollBack(l *lane, count uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.below, l.final, l.used = 0, count, count
}
