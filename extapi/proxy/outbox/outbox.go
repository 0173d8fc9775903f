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
package outbox

import (
	"context"

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
// BatchCallContext too, as go-ethereum's rpc.Client does.
type Node interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
}

// Outbox sends the transactions of one service to one node.
type Outbox struct{ cfg Config }

// New reads the records and returns an outbox. A node that can't be reached is
// asked again when it is needed; one of a chain that is not allowed is an error,
// and so is a record that another version of kvclef wrote.
func New(ctx context.Context, cfg Config) (*Outbox, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Outbox{cfg: cfg}, nil
}

// Run follows transactions until ctx ends, which is not an error. It must run
// once for every outbox that sends.
func (o *Outbox) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Send answers eth_sendTransaction: it returns the hash of a transaction that
// is kept and under way. The key is the caller's idempotency key, "" if it has
// none: with the same key and the same request the answer is the same, and
// nothing is signed twice.
func (o *Outbox) Send(ctx context.Context, partial *extapi.PartialTransaction, key string) (common.Hash, error) {
	return common.Hash{}, errNotYet
}

// Sign answers eth_signTransaction: it fills in what is missing, and returns the
// signed transaction, which is not kept. Its nonce stays free. Method is the one
// that rules are asked about.
func (o *Outbox) Sign(ctx context.Context, method string, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	return nil, errNotYet
}

// Fill answers eth_fillTransaction: the filled transaction without a signature.
func (o *Outbox) Fill(ctx context.Context, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	return nil, errNotYet
}
