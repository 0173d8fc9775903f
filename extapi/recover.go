package extapi

import (
	"context"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// EcRecover answers account_ecRecover: the address whose key signed a personal
// message (EIP-191, version 0x45). The signature is r‖s‖v with v 27 or 28. It
// is not put to rules: it uses no key.
func (a *Account) EcRecover(ctx context.Context, data, signature hexutil.Bytes) (address common.Address, err error) {
	ctx, call := a.begin(ctx, "account_ecRecover")
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return common.Address{}, err
	}
	return recoverText(data, signature)
}

// recoverText returns the signer of a personal message.
func recoverText(data, signature []byte) (common.Address, error) {
	if len(signature) != crypto.SignatureLength {
		return common.Address{}, refuse("signature must be %d bytes long", crypto.SignatureLength)
	}
	if v := signature[crypto.RecoveryIDOffset]; v != 27 && v != 28 {
		return common.Address{}, refuse("invalid Ethereum signature (V is not 27 or 28)")
	}
	parity := append([]byte(nil), signature...)
	parity[crypto.RecoveryIDOffset] -= 27
	key, err := crypto.SigToPub(accounts.TextHash(data), parity)
	if err != nil {
		return common.Address{}, refuse("recovery failed")
	}
	return crypto.PubkeyToAddress(*key), nil
}
