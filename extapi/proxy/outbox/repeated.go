package outbox

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
)

// stillRefused answers for a key whose transaction the node refused, and of which nil is
// gone: with its hash, if it is under way after all. A node that gives no answer leaves it
// at what it said before.
func (o *Outbox) stillRefused(ctx context.Context, c *claim, r *record) (common.Hash, error) {
	if r != nil && r.State == StateRejected {
		if known, err := o.knows(ctx, []refusedTx{{hash: r.Hash}}); err == nil && known[0] {
			return o.aliveAgain(ctx, c, r)
		}
		if r.Refusal != nil {
			return common.Hash{}, r.Refusal.err()
		}
	}
	return common.Hash{}, refuse("the node refused the transaction of this idempotency key: to send it anew use a new key")
}

// aliveAgain answers for a key whose transaction the node knows, though it refused it.
func (o *Outbox) aliveAgain(ctx context.Context, c *claim, r *record) (common.Hash, error) {
	switch hash, alive, err := o.alive(ctx, c); {
	case err != nil:
		return common.Hash{}, err
	case alive:
		return hash, nil
	default: // it knew it a moment ago
		return common.Hash{}, refuse("transaction %v of this idempotency key, which the node refused, may be under way: look for it before you send it again", r.Hash)
	}
}
