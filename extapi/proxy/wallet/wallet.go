// Package wallet answers the methods of a node by which an application uses its
// accounts: it lists them, sends and signs transactions, and signs messages and
// typed data, in the shapes and with the errors of geth.
//
// It only reads parameters and hands them on. It never decides, never signs by
// itself, and never asks a node to sign but for accounts that no vault holds, where
// that is configured.
package wallet

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
)

// Outbox fills in, signs and sends transactions.
type Outbox interface {
	Send(ctx context.Context, partial *extapi.PartialTransaction, key string) (common.Hash, error)
	Sign(ctx context.Context, method string, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error)
	Fill(ctx context.Context, partial *extapi.PartialTransaction) (*extapi.SignedTransaction, error)
}

// Signatory lists accounts and signs messages.
type Signatory interface {
	Accounts(ctx context.Context, method string) ([]common.Address, error)
	SignText(ctx context.Context, method string, address common.Address, message []byte) (hexutil.Bytes, error)
	SignTypedData(ctx context.Context, method string, address common.Address, document json.RawMessage) (hexutil.Bytes, error)
}

// Node is asked to sign with accounts that no vault holds.
type Node interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
}

// Config is what a wallet works with.
type Config struct {
	Outbox    Outbox
	Signatory Signatory

	// Holds reports whether a vault holds an account.
	Holds func(ctx context.Context, account common.Address) bool

	// Node signs with the accounts that no vault holds; nil refuses them.
	Node Node
}

// Methods returns the methods by their names.
func Methods(cfg Config) map[string]proxy.Method {
	w := &wallet{Config: cfg}
	methods := map[string]proxy.Method{
		"eth_accounts":        w.accounts,
		"eth_sendTransaction": w.sendTransaction,
		"eth_signTransaction": w.signTransaction,
		"eth_fillTransaction": w.fillTransaction,
		"eth_sign":            w.sign,
		"personal_sign":       w.personalSign,
	}
	for _, name := range []string{"eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4"} {
		methods[name] = w.signTypedData(name)
	}
	return methods
}

type wallet struct{ Config }

// accounts answers eth_accounts. The node's accounts follow the vault's, if it
// signs with them.
func (w *wallet) accounts(ctx context.Context, params json.RawMessage) (any, error) {
	if _, err := positional(params, 0, 0); err != nil {
		return nil, err
	}
	listed, err := w.Signatory.Accounts(ctx, "eth_accounts")
	if err != nil || w.Node == nil {
		return listed, err
	}
	var others []common.Address
	if err := w.Node.CallContext(ctx, &others, "eth_accounts"); err != nil {
		return nil, toldOf(err)
	}
	for _, other := range others {
		if !w.Holds(ctx, other) {
			listed = append(listed, other)
		}
	}
	return listed, nil
}
