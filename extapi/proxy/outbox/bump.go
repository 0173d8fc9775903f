package outbox

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
)

// Bump sends a transaction that is under way again, with higher fees: raised by
// the percentage, by what nodes ask for at least (12.5 %, and 100 % with blobs),
// or to what the market asks for, whichever is most. It returns the new hash. The
// new one is decided and signed as every transaction is, for the caller of ctx;
// whichever is mined replaces the other.
func (o *Outbox) Bump(ctx context.Context, hash common.Hash, percent uint) (common.Hash, error) {
	return common.Hash{}, errNotYet
}

// Cancel replaces a transaction that is under way by one that sends nothing to
// its own account, with fees as Bump's. It returns the new hash. The old one may
// still be mined.
func (o *Outbox) Cancel(ctx context.Context, hash common.Hash) (common.Hash, error) {
	return common.Hash{}, errNotYet
}
