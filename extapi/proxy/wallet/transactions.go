package wallet

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
)

// errUnknownAccount is geth's, also for a transaction without an account.
var errUnknownAccount = errors.New("unknown account")

// sendTransaction answers eth_sendTransaction: [transaction], and for callers that
// can't set a header a second object with their idempotencyKey.
func (w *wallet) sendTransaction(ctx context.Context, params json.RawMessage) (any, error) {
	args, err := positional(params, 1, 2)
	if err != nil {
		return nil, err
	}
	key, err := idempotencyKey(ctx, args[1:])
	if err != nil {
		return nil, err
	}
	partial, err := transaction(args[0])
	switch {
	case err != nil:
		return nil, err
	case !w.theirs(ctx, partial.From.Address()):
		return w.Outbox.Send(ctx, partial, key)
	case key != "":
		return nil, invalid("an idempotency key is for accounts of the vault, and %v is not one", partial.From.Address())
	default:
		return w.forward(ctx, "eth_sendTransaction", args[:1])
	}
}

// signTransaction answers eth_signTransaction as geth does: {raw, tx}.
func (w *wallet) signTransaction(ctx context.Context, params json.RawMessage) (any, error) {
	args, err := positional(params, 1, 1)
	if err != nil {
		return nil, err
	}
	partial, err := transaction(args[0])
	if err != nil {
		return nil, err
	}
	if w.theirs(ctx, partial.From.Address()) {
		return w.forward(ctx, "eth_signTransaction", args)
	}
	return w.Outbox.Sign(ctx, "eth_signTransaction", partial)
}

// fillTransaction answers eth_fillTransaction: {raw, tx}, not signed.
func (w *wallet) fillTransaction(ctx context.Context, params json.RawMessage) (any, error) {
	args, err := positional(params, 1, 1)
	if err != nil {
		return nil, err
	}
	partial, err := transaction(args[0])
	if err != nil {
		return nil, err
	}
	if w.theirs(ctx, partial.From.Address()) {
		return w.forward(ctx, "eth_fillTransaction", args)
	}
	return w.Outbox.Fill(ctx, partial)
}

// transaction decodes a transaction object.
func transaction(raw json.RawMessage) (*extapi.PartialTransaction, error) {
	var from struct{ From *common.Address }
	if err := json.Unmarshal(raw, &from); err == nil && from.From == nil {
		return nil, errUnknownAccount
	}
	partial := new(extapi.PartialTransaction)
	if err := json.Unmarshal(raw, partial); err != nil {
		return nil, invalid("invalid argument 0: %v", err)
	}
	return partial, nil
}

// idempotencyKey returns the key of a request: of its header, or of its options.
func idempotencyKey(ctx context.Context, options []json.RawMessage) (string, error) {
	key := proxy.IdempotencyKey(ctx)
	if len(options) == 0 || string(options[0]) == "null" {
		return key, nil
	}
	given, err := proxy.IdempotencyKeyOf(options[0])
	switch {
	case err != nil:
		return "", invalid("invalid argument 1: %v", err)
	case key != "" && key != given:
		return "", invalid("the header and argument 1 have different idempotency keys")
	}
	return given, nil
}
