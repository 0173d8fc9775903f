package extapi

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// TransactionArgs is the first parameter of account_signTransaction.
type TransactionArgs struct{}

// UnmarshalJSON decodes strictly.
func (t *TransactionArgs) UnmarshalJSON(raw []byte) error { return checkMembers(json.RawMessage(raw)) }

// SignedTransaction is the answer to account_signTransaction.
type SignedTransaction struct {
	Raw hexutil.Bytes      `json:"raw"`
	Tx  *types.Transaction `json:"tx"`
}

// SignTransaction answers account_signTransaction.
func (a *Account) SignTransaction(ctx context.Context, args TransactionArgs, methodSelector *string) (signed *SignedTransaction, err error) {
	defer a.finish(ctx, "account_signTransaction", &err)
	return nil, refuse("not there yet")
}
