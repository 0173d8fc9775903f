package wallet

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// sign answers eth_sign: [account, data].
func (w *wallet) sign(ctx context.Context, params json.RawMessage) (any, error) {
	args, err := positional(params, 2, 2)
	if err != nil {
		return nil, err
	}
	return w.signText(ctx, "eth_sign", args, 0, 1)
}

// personalSign answers personal_sign: [data, account]. A password, which geth once
// asked for, may follow, and is not looked at.
func (w *wallet) personalSign(ctx context.Context, params json.RawMessage) (any, error) {
	args, err := positional(params, 2, 3)
	if err != nil {
		return nil, err
	}
	return w.signText(ctx, "personal_sign", args, 1, 0)
}

// signText signs a personal message, whose account and data are at these places.
func (w *wallet) signText(ctx context.Context, method string, args []json.RawMessage, account, data int) (any, error) {
	var address common.Address
	var message hexutil.Bytes
	if err := argument(args, account, &address); err != nil {
		return nil, err
	}
	if err := argument(args, data, &message); err != nil {
		return nil, err
	}
	if w.theirs(ctx, address) {
		return w.forward(ctx, method, args)
	}
	return w.Signatory.SignText(ctx, method, address, message)
}

// signTypedData answers the methods for EIP-712: [account, document], which is an
// object or the text of one.
func (w *wallet) signTypedData(method string) proxy.Method {
	return func(ctx context.Context, params json.RawMessage) (any, error) {
		args, err := positional(params, 2, 2)
		if err != nil {
			return nil, err
		}
		var address common.Address
		if err := argument(args, 0, &address); err != nil {
			return nil, err
		}
		if w.theirs(ctx, address) {
			return w.forward(ctx, method, args)
		}
		return w.Signatory.SignTypedData(ctx, method, address, args[1])
	}
}
