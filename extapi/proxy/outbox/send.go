package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// maxTries is how often a transaction gets another nonce, and another signature,
// because its nonce was taken.
const maxTries = 4

// maxBytes bounds the records of transactions that are followed, in bytes, below
// what the store takes.
const maxBytes = 512 << 20

// errAgain is for a transaction whose nonce was taken by another, and certainly not
// by itself: it may have another nonce.
var errAgain = errors.New("the nonce is taken")

// dispatch numbers, signs, keeps and sends a transaction, for the idempotency key
// that c holds; nil is none.
func (o *Outbox) dispatch(ctx context.Context, d *draft, c *claim) (common.Hash, error) {
	l := o.book.lane(laneID{d.chain.String(), d.from()})
	if err := o.room(l); err != nil {
		return common.Hash{}, err
	}
	leave, err := o.takeTurn(ctx, l)
	if err != nil {
		return common.Hash{}, err
	}
	defer leave()
	l.passed = 0
	var last error
	for try := range maxTries {
		hash, err := o.try(ctx, l, d, c, try < maxTries-1)
		if !errors.Is(err, errAgain) && !errors.Is(err, errMoved) {
			if err != nil && try > 0 { // something was signed before
				err = spentError{err}
			}
			return hash, err
		}
		last = err
	}
	o.log.ErrorContext(ctx, "Transaction given up", "account", d.from(), "error", last)
	return common.Hash{}, spentError{&busyError{fmt.Sprintf("others use the nonces of account %v", d.from()), time.Second}}
}

// room refuses new transactions when too many are under way. One account leaves a
// quarter of the room to others: whoever may send for it can't stop them.
func (o *Outbox) room(l *lane) error {
	inFlight, bytes := o.book.load()
	if inFlight >= o.cfg.MaxInFlight || bytes >= maxBytes {
		return &busyError{fmt.Sprintf("%d transactions are under way, which is the most that may be", inFlight), 10 * time.Second}
	}
	inFlight, bytes = o.book.loadOf(l)
	if inFlight >= o.cfg.MaxInFlight-o.cfg.MaxInFlight/4 || bytes >= maxBytes/4*3 {
		return &busyError{fmt.Sprintf("%d transactions of account %v are under way, which is the most that may be of one", inFlight, l.id.account), 10 * time.Second}
	}
	return nil
}

// maxVersions is how many transactions with the same nonce may be under way. To send
// them again takes a call for each.
const maxVersions = 16

// maxCancels is how many more may be that cancel them: who has filled a nonce can't keep
// others from that.
const maxCancels = 4

// roomAt refuses further transactions with a nonce that many have, and some more.
func (o *Outbox) roomAt(l *lane, nonce uint64, more int) error {
	if n := o.book.versionsAt(l, nonce); n >= maxVersions+more {
		return refuse("%d transactions of account %v with nonce %d are under way, which is the most that may be: wait until one of them is mined", n, l.id.account, nonce)
	}
	return nil
}

// try sends with the lane's next nonce, or the caller's.
func (o *Outbox) try(ctx context.Context, l *lane, d *draft, c *claim, again bool) (common.Hash, error) {
	if err := o.settleDoubt(ctx, l); err != nil {
		return common.Hash{}, err
	}
	nonce, err := o.number(ctx, l)
	if err != nil {
		return common.Hash{}, err
	}
	args, filled := d.at(nonce)
	if d.tx.HasNonce && uint64(args.Nonce) < l.next {
		// It may be used already. What the node counts before it is sent tells that for
		// certain, and afterwards it is harder to find out.
		if err := o.learn(ctx, l); err != nil {
			return common.Hash{}, err
		}
	}
	if err := o.warn(ctx, l); err != nil {
		return common.Hash{}, err
	}
	if err := o.roomAt(l, uint64(args.Nonce), 0); err != nil {
		return common.Hash{}, err
	}
	signed, err := o.sign(rules.Hurry(ctx), methodSend, args, filled) // others wait for the lane
	o.judged(ctx, d, uint64(args.Nonce), err)
	if err != nil {
		return common.Hash{}, err
	}
	r := newRecord(d.chain, d.from(), signed, filled, o.book.after(l, uint64(args.Nonce), o.cfg.Clock()))
	r.Own = !d.tx.HasNonce
	return o.release(ctx, l, r, c, again)
}

// sign asks the signer.
func (o *Outbox) sign(ctx context.Context, method string, args extapi.TransactionArgs, filled []string) (*extapi.SignedTransaction, error) {
	if err := o.checkFee(&args); err != nil {
		return nil, err
	}
	nonce := uint64(args.Nonce)
	signed, err := o.cfg.Signer.SignTransaction(ctx, method, args, filled)
	var maybe interface{ MayBeSigned() bool }
	switch {
	case errors.As(err, &maybe) && maybe.MayBeSigned():
		return nil, spentError{signerError{err}}
	case err != nil:
		return nil, signerError{err}
	case signed == nil || signed.Tx == nil || signed.Tx.Nonce() != nonce:
		return nil, spentError{errors.New("the signer signed another transaction")}
	default:
		return signed, nil
	}
}

// release keeps a signed transaction and hands it to the node. From here on a
// hang-up changes nothing. It returns the hash unless it is certain that the
// transaction is not under way.
func (o *Outbox) release(ctx context.Context, l *lane, r *record, c *claim, again bool) (common.Hash, error) {
	asked := ctx // while it lasts, its sender waits
	ctx = context.WithoutCancel(ctx)
	old, err := o.cfg.Records.Record(ctx, r.key())
	if err != nil {
		return common.Hash{}, spentError{fmt.Errorf("looking for the transaction's record: %w", err)}
	}
	lost := false
	if old != nil {
		// The same digest has the same signature for a while.
		same, err := decodeRecord(r.key(), old)
		if err != nil {
			return common.Hash{}, spentError{err}
		}
		if same.State != StateRejected {
			if lost, err = o.lostByChain(ctx, l, same); err != nil {
				return common.Hash{}, spentError{err}
			}
		}
		switch {
		case lost, same.State == StateRejected: // it is kept anew
		case o.cfg.Shared != nil && r.Own: // another process has sent an equal one, for another caller
			return common.Hash{}, o.moved(ctx, l)
		default:
			return o.released(ctx, same, c)
		}
	}
	e, err := o.keep(ctx, l, r, old, c)
	if err != nil {
		return common.Hash{}, err
	}
	defer o.book.posted(e)
	o.log.InfoContext(ctx, "Transaction kept", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce)
	sent := sending{r.lane(), r.Hash, r.Bytes}
	said, node, seen := o.post(ctx, sent)
	if said == used || said == taken && seen.mined > r.Nonce {
		if said = o.judge(asked, l, r, old == nil, &seen); said == unclear {
			l.known = false // others may have used the next ones, too
		}
	}
	if lost && (said == taken || said == refused) {
		// A node that is behind says so too, of what is mined: it is no refusal, after which
		// its sender pays again. As it is, it is followed until its nonce is used.
		said, l.known = unclear, false
	}
	switch said {
	case accepted:
		o.book.heard(e, StateSent, nil, o.cfg.Clock().Add(o.cfg.Rebroadcast))
		return r.Hash, nil
	case taken, refused:
		// It gets another nonce only if the node itself counts beyond the one that it had:
		// one that was only said to be taken may be free, and skipping it would leave a
		// gap.
		if !again || said != taken || !r.Own || seen.next <= r.Nonce {
			seen.next = 0
		}
		return o.refusedBy(ctx, l, r, e, c, node, seen)
	default:
		o.unsure(ctx, r, e, node)
		return r.Hash, nil
	}
}

// released answers for a transaction that was kept before.
func (o *Outbox) released(ctx context.Context, same *record, c *claim) (common.Hash, error) {
	if same.State == StateReplaced {
		return common.Hash{}, spentError{refuse("nonce too low: nonce %d is used by another transaction", same.Nonce)}
	}
	if c == nil {
		return same.Hash, nil
	}
	done, err := c.to(claimDone, same)
	if err == nil {
		err = o.changeRecords(ctx, done)
	}
	if err != nil {
		return common.Hash{}, spentError{fmt.Errorf("finishing an idempotency key: %w", err)}
	}
	return same.Hash, nil
}

// refusedBy deals with a transaction that the node has certainly not taken. The next
// nonce of what was seen is the one that its sender may have instead, 0 being none.
func (o *Outbox) refusedBy(ctx context.Context, l *lane, r *record, e *entry, c *claim, node *nodeError, seen standing) (common.Hash, error) {
	again := seen.next > 0
	if err := o.reject(ctx, l, r, c, node, again); err != nil {
		// As far as the records tell it is under way or it is not.
		o.log.ErrorContext(ctx, "Refusal not recorded: the transaction may stay under way", "hash", r.Hash, "error", err)
		o.unsure(ctx, r, e, node)
		l.doubts(r)
		return common.Hash{}, spentError{errDoubt}
	}
	o.log.WarnContext(ctx, "Transaction refused by the node", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce, "code", node.code, "text", node.text, "again", again)
	if _, err := o.checkRefused(ctx, l, seen); err != nil {
		return common.Hash{}, spentError{err}
	}
	if i := slices.IndexFunc(l.untold, func(of refusedTx) bool { return of.hash == r.Hash }); i >= 0 { // the node took it after all
		l.untold = slices.Delete(l.untold, i, i+1)
		o.toldOf(ctx, l.id, r.Nonce, r.Hash)
		return r.Hash, nil
	}
	if err := o.warn(ctx, l); err != nil {
		return common.Hash{}, spentError{err}
	}
	if again {
		l.move(max(l.next, seen.next))
		l.known = true
		return common.Hash{}, errAgain
	}
	return common.Hash{}, spentError{node}
}

// unsure leaves a transaction under way that a node may have.
func (o *Outbox) unsure(ctx context.Context, r *record, e *entry, node *nodeError) {
	var text string
	if node != nil {
		text = node.text
	}
	o.log.WarnContext(ctx, "Transaction under way, and not confirmed by the node", "hash", r.Hash, "account", r.Account, "nonce", r.Nonce, "text", text)
	o.book.heard(e, StateUnsure, node, o.cfg.Clock())
}
