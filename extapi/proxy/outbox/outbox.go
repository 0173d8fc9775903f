// Package outbox sends transactions for an application: it fills in what the
// application left out, numbers them, has them signed, keeps them, hands them to
// the node, and follows them until they are mined or replaced.
//
// Nothing is released before it is durable. A transaction is kept, with its raw
// bytes, before the node sees it; from then on it is sent again until the chain
// has it or another one of its number. What a node answers decides only when it
// leaves no doubt: a transaction that it certainly refused gives its nonce back,
// and after any other answer, or none, the transaction is under way and its
// sender is told its hash. So a caller that sees an error may send anew, and one
// that sees a hash need not.
//
// The package never signs: it asks a [Signer], which decides, records and signs.
// It never changes what a caller gave, never signs a transaction anew whose first
// sending is in doubt, and never gives up one that is under way.
//
// # Drafts
//
// People who are asked about a transaction approve what was filled in of it, too: its
// nonce, gas and fees. So that is kept until it is signed, as a draft, for a caller that
// asks for the same again, after a restart or of another process of the same records. Of
// a draft always holds:
//
//   - It permits nothing. It says how to fill in again, and what comes of that is judged
//     like everything: an approval is of one digest, and used once. A draft that is lost or
//     is not good any more costs another question to people; one that can't be read refuses
//     its request, and no other.
//   - It takes no nonce, so that it leaves no gap and nobody waits for it. It is used only
//     while its nonce is the one that the account's next transaction gets, or the caller's
//     own: of all that is made of it one transaction can be mined at most. So nothing
//     depends on its removal, which may fail.
//   - It is for one caller, one request, and the chain that the node is of. What the caller
//     gave is not kept but for a hash: it is what it gives again.
//   - Its fees are as old as it is, as people have approved them. They are within the bound
//     of fees when they are used, or it is not.
//   - There are not many, and of one caller a part at most. It goes a day after it was
//     asked for last.
package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
)

// Signer decides about complete transactions and signs them. [extapi.Signatory]
// is one.
type Signer interface {
	// SignTransaction returns the signed transaction. After an error no signature
	// has left the signer. An error in whose chain something has a method
	// MayBeSigned() bool, returning true, is one after which a signature may have
	// been made all the same; after any other, none was.
	SignTransaction(ctx context.Context, method string, args extapi.TransactionArgs, filled []string) (*extapi.SignedTransaction, error)
}

// Node is the client of an Ethereum node. An error that the node itself gave
// implements rpc.Error. The outbox asks many things at once of a client that has
// BatchCallContext too, as go-ethereum's rpc.Client does. Where it has SupportsSubscriptions
// as well, and that is false, a batch that is not answered in time is never a refusal of it.
type Node interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
}

// methodSend is the method that rules are asked about for what is sent.
const methodSend = "eth_sendTransaction"

// sidecars is how many transactions' blobs are worked on at a time.
const sidecars = 2

// Outbox sends the transactions of one service to one node.
type Outbox struct {
	cfg          Config
	log          *slog.Logger
	client       *client
	guard        *guard
	market       *market
	book         *book
	turns        *turns
	parking      sync.Mutex   // of who keeps a draft
	claims       atomic.Int64 // idempotency keys that are remembered
	ungiven      ungiven
	refusedBytes atomic.Int64 // of kept transactions that nodes refused
	finished     atomic.Int64 // transactions that ended since the last sweep
	maxFinished  int          // see the configuration
	sweepAfter   int64        // see the constant
	sidecars     chan struct{}
	follower     follower
	shared       shared
	process      string // tells this process's claims from others'
}

// New reads the records and returns an outbox. A node that can't be reached, or answers
// with an error, is asked again when it is needed; one of a chain that is not allowed is an error,
// and so is a record that another version of kvclef wrote, but for drafts.
func New(ctx context.Context, cfg Config) (*Outbox, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	node := &client{node: cfg.Node, timeout: cfg.Timeout, now: cfg.Clock, log: cfg.Logger}
	o := &Outbox{
		cfg:      cfg,
		log:      cfg.Logger,
		client:   node,
		guard:    &guard{client: node, allowed: slices.Clone(cfg.ChainIDs)},
		market:   &market{client: node, age: cfg.Market, now: cfg.Clock, known: make(map[string]quote)},
		book:     newBook(cfg.Clock),
		turns:    newTurns(),
		sidecars: make(chan struct{}, sidecars),
		process:  rand.Text() + "/",

		maxFinished: cfg.MaxFinished,
		sweepAfter:  sweepAfter,
	}
	if err := o.load(ctx); err != nil {
		return nil, err
	}
	var (
		unreachable *faultError
		refusal     *nodeError // it is starting, say, or has had too many requests
	)
	if _, err := o.guard.chain(ctx); err != nil && !errors.As(err, &unreachable) && !errors.As(err, &refusal) {
		return nil, fmt.Errorf("asking the node for its chain: %w", err)
	}
	return o, nil
}

// Send answers eth_sendTransaction: it returns the hash of a transaction that
// is kept and under way. The key is the caller's idempotency key, "" if it has
// none: with the same key and the same request the answer is the same, and
// nothing is signed twice.
func (o *Outbox) Send(ctx context.Context, partial *extapi.PartialTransaction, key string) (common.Hash, error) {
	hash, err := o.send(ctx, partial, key)
	return hash, o.told(ctx, err)
}

func (o *Outbox) send(ctx context.Context, partial *extapi.PartialTransaction, key string) (common.Hash, error) {
	if err := o.checkAccount(ctx, partial); err != nil {
		return common.Hash{}, err
	}
	if key != "" {
		return o.sendKeyed(ctx, partial, key)
	}
	d, err := o.draftOf(ctx, partial)
	if err != nil {
		return common.Hash{}, err
	}
	return o.dispatch(ctx, d, nil)
}

// Sign answers eth_signTransaction: it fills in what is missing, and returns the
// signed transaction, which is not kept. Its nonce stays free. Method is the one
// that rules are asked about.
func (o *Outbox) Sign(ctx context.Context, method string, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	signed, err := o.signFilled(ctx, method, partial)
	return signed, o.told(ctx, err)
}

func (o *Outbox) signFilled(ctx context.Context, method string, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	if err := o.checkAccount(ctx, partial); err != nil {
		return nil, err
	}
	d, err := o.draftOf(ctx, partial)
	if err != nil {
		return nil, err
	}
	nonce, err := o.nonceOf(ctx, d)
	if err != nil {
		return nil, err
	}
	args, filled := d.at(nonce)
	signed, err := o.sign(ctx, method, args, filled)
	o.judged(ctx, d, nonce, err)
	return signed, err
}

// Fill answers eth_fillTransaction: the filled transaction without a signature. The
// account need not be one to sign with.
func (o *Outbox) Fill(ctx context.Context, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	unsigned, err := o.unsigned(ctx, partial)
	return unsigned, o.told(ctx, err)
}

func (o *Outbox) unsigned(ctx context.Context, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	if partial.From == (common.MixedcaseAddress{}) {
		return nil, errUnknownAccount
	}
	d, err := o.fill(ctx, partial, new(filling))
	if err != nil {
		return nil, err
	}
	nonce, err := o.nonceOf(ctx, d)
	if err != nil {
		return nil, err
	}
	args, _ := d.at(nonce)
	tx, err := args.Unsigned(d.chain)
	if err != nil {
		return nil, signerError{err}
	}
	raw, err := tx.MarshalBinary()
	return &extapi.SignedTransaction{Raw: raw, Tx: tx}, err
}

// nonceOf returns the nonce that a draft would have, and takes nothing.
func (o *Outbox) nonceOf(ctx context.Context, d *draft) (uint64, error) {
	switch {
	case d.tx.HasNonce:
		return uint64(d.tx.Nonce), nil
	case o.cfg.Holds(ctx, d.from()):
		return o.peek(ctx, laneID{d.chain.String(), d.from()})
	default:
		return o.pending(ctx, d.chain.String(), d.from())
	}
}

// checkAccount refuses accounts that are not ones to sign with.
func (o *Outbox) checkAccount(ctx context.Context, partial *extapi.PartialTransaction) error {
	if !o.cfg.Holds(ctx, partial.From.Address()) {
		return errUnknownAccount
	}
	return nil
}
