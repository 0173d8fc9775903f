package outbox

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
)

// List returns the transactions that a filter chooses, without their bytes, and
// the lanes of their accounts.
func (o *Outbox) List(ctx context.Context, filter Filter) (*Listing, error) {
	return nil, errNotYet
}

// Show returns one transaction with its bytes, if they are still kept.
func (o *Outbox) Show(ctx context.Context, hash common.Hash) (*Transaction, error) {
	return nil, errNotYet
}
