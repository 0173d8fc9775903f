package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Bounds of finding out which transaction has used a nonce.
const (
	judgedAgain = 3   // further times that the node is asked, a look apart
	judgedDeep  = 128 // blocks of which nodes know what an account's nonce was

	judgedFor = 5 * time.Second // for the answers; the waiting between them comes to it
)

// judge finds out whether another transaction has used the nonce of one that was just
// sent. Only then may its sender have another nonce, or be told that it failed: that a node
// does not know it proves nothing, see [Outbox.whose], and paid twice is worse than late.
// Proof is
//
//   - a transaction in a block that the account has signed, with that nonce;
//   - that the node had the nonce in a block before it was sent for the first time.
//
// Without proof it is asked a few times more, while the sender waits, and then left open.
// The account's other transactions wait too, so there is an end to all of it together,
// however slow the node is.
func (o *Outbox) judge(asked context.Context, l *lane, r *record, first bool, seen *standing) answer {
	proven := func(by common.Hash) answer {
		seen.mined = max(seen.mined, r.Nonce+1)
		seen.next = max(seen.next, seen.mined)
		seen.users = map[uint64]common.Hash{r.Nonce: by}
		return taken
	}
	if first && l.passed > r.Nonce {
		return proven(common.Hash{})
	}
	ctx, cancel := context.WithTimeout(asked, judgedAgain*o.cfg.Interval+judgedFor)
	defer cancel()
	for again := range judgedAgain + 1 {
		if again > 0 {
			if !pause(ctx, o.cfg.Interval) {
				break
			}
			if _, known, _ := o.whose(ctx, sending{r.lane(), r.Hash, r.Bytes}); known {
				return accepted
			}
		}
		switch by, err := o.userOf(ctx, l, r.Nonce); {
		case err != nil: // it is not found
		case by == r.Hash:
			return accepted
		default:
			return proven(by)
		}
	}
	return unclear
}

// judgedWithin is how long it may take from the sending of a transaction until it is judged:
// to send it, to be told whose its nonce is, and to look for which.
func (o *Outbox) judgedWithin() time.Duration {
	return 2*o.cfg.Timeout + judgedAgain*o.cfg.Interval + judgedFor
}

// Why the block that used a nonce is not found, apart from what a node says itself.
var (
	errNotUsed  = errors.New("the node has not used the nonce yet")
	errDeep     = errors.New("the nonce was used before the blocks that are looked into")
	errNotShown = errors.New("the node does not show the block, or what used the nonce in it")
)

// userOf looks in the latest blocks for the transaction that has used a nonce of an account.
// It believes what the account has signed for the chain. Whatever a node can't tell is not
// found.
func (o *Outbox) userOf(ctx context.Context, l *lane, nonce uint64) (by common.Hash, err error) {
	number, err := o.blockOf(ctx, l.id.account, nonce)
	if err != nil {
		return common.Hash{}, err
	}
	var block *struct {
		Transactions []json.RawMessage `json:"transactions"`
	}
	if err := o.client.call(ctx, &block, "eth_getBlockByNumber", hexutil.Uint64(number), true); err != nil {
		return common.Hash{}, err
	}
	if block == nil {
		return common.Hash{}, errNotShown
	}
	signer := types.LatestSignerForChainID(l.chain())
	for _, text := range block.Transactions {
		var of struct {
			From  common.Address  `json:"from"`
			Nonce *hexutil.Uint64 `json:"nonce"`
		}
		if json.Unmarshal(text, &of) != nil || of.From != l.id.account || of.Nonce == nil || uint64(*of.Nonce) != nonce {
			continue
		}
		tx := new(types.Transaction)
		if json.Unmarshal(text, tx) != nil || !tx.Protected() || tx.Nonce() != nonce {
			continue
		}
		if from, err := types.Sender(signer, tx); err == nil && from == l.id.account {
			return tx.Hash(), nil
		}
	}
	return common.Hash{}, errNotShown
}

// blockOf finds the latest block, of those that are not too old, after which the account
// has used a nonce, and before which it has not.
func (o *Outbox) blockOf(ctx context.Context, account common.Address, nonce uint64) (number uint64, err error) {
	var head hexutil.Uint64
	if err := o.client.call(ctx, &head, "eth_blockNumber"); err != nil {
		return 0, err
	}
	usedAt := func(number uint64) (bool, error) {
		var count *hexutil.Uint64
		err := o.client.call(ctx, &count, "eth_getTransactionCount", account, hexutil.Uint64(number))
		if err == nil && count == nil {
			err = errNotShown
		}
		return err == nil && uint64(*count) > nonce, err
	}
	after := uint64(head)
	if is, err := usedAt(after); err != nil {
		return 0, err
	} else if !is {
		return 0, errNotUsed
	}
	before := after
	for step := uint64(1); before == after; step *= 2 { // it is used at after, and all that is above it
		if after == 0 || uint64(head)-after >= judgedDeep {
			return 0, errDeep
		}
		number := after - min(step, after, judgedDeep-(uint64(head)-after))
		switch is, err := usedAt(number); {
		case err != nil:
			return 0, err
		case is:
			before, after = number, number
		default:
			before = number
		}
	}
	for after-before > 1 {
		number := before + (after-before)/2
		switch is, err := usedAt(number); {
		case err != nil:
			return 0, err
		case is:
			after = number
		default:
			before = number
		}
	}
	return after, nil
}

// pause waits for a while. It reports whether ctx lasted as long.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
