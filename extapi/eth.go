package extapi

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// ethAPI answers the methods of the eth namespace that need a key, for tools with
// a node connection of their own. It speaks to no node.
type ethAPI struct{ signatory Signatory }

// Accounts answers eth_accounts as account_list is answered.
func (e ethAPI) Accounts(ctx context.Context) ([]common.Address, error) {
	return e.signatory.Accounts(ctx, "eth_accounts")
}

// ChainId answers eth_chainId where the signer signs for one chain: with several
// there is no answer. It is not put to rules.
func (e ethAPI) ChainId() (*hexutil.Big, error) { //nolint:revive // the name makes eth_chainId
	chains := e.signatory.account.chains
	if len(chains) != 1 {
		return nil, &codedError{refuse("the method eth_chainId is not available: this signer signs for chains %s, ask a node", chains), codeNoMethod}
	}
	return (*hexutil.Big)(chains[0]), nil
}

// Sign answers eth_sign: a personal message (EIP-191, version 0x45). The answer is
// r‖s‖v in 65 bytes, v 27 or 28.
func (e ethAPI) Sign(ctx context.Context, address common.Address, data hexutil.Bytes) (hexutil.Bytes, error) {
	return e.signatory.SignText(ctx, "eth_sign", address, data)
}

// SignTransaction answers eth_signTransaction: a complete transaction, in one hex
// string as Web3Signer and op-signer answer it. A blob transaction has no sidecar.
func (e ethAPI) SignTransaction(ctx context.Context, args CompleteTransaction) (hexutil.Bytes, error) {
	raw, err := e.signTransaction(ctx, "eth_signTransaction", &args)
	return raw, withCodes(err, codeInvalidTransaction, codeDeniedTransaction)
}

func (e ethAPI) signTransaction(ctx context.Context, method string, args *CompleteTransaction) (raw hexutil.Bytes, err error) {
	ctx, call := e.signatory.account.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	if err := args.check(); err != nil {
		return nil, err
	}
	signed, err := e.signatory.SignTransaction(ctx, method, args.Complete(), nil)
	if err != nil {
		return nil, err
	}
	return signed.Raw, nil
}

// SignTypedData answers eth_signTypedData: an EIP-712 document. The answer is
// r‖s‖v in 65 bytes, v 27 or 28.
func (e ethAPI) SignTypedData(ctx context.Context, address common.Address, document json.RawMessage) (hexutil.Bytes, error) {
	return e.signatory.SignTypedData(ctx, "eth_signTypedData", address, document)
}

// SignTypedData_v3 answers eth_signTypedData_v3, which knows no arrays.
func (e ethAPI) SignTypedData_v3(ctx context.Context, address common.Address, document json.RawMessage) (hexutil.Bytes, error) { //nolint:revive // the name makes the method's
	return e.signatory.SignTypedData(ctx, methodTypedDataV3, address, document)
}

// SignTypedData_v4 answers eth_signTypedData_v4.
func (e ethAPI) SignTypedData_v4(ctx context.Context, address common.Address, document json.RawMessage) (hexutil.Bytes, error) { //nolint:revive // the name makes the method's
	return e.signatory.SignTypedData(ctx, "eth_signTypedData_v4", address, document)
}

// personalAPI answers the one method of the personal namespace that wallets have.
type personalAPI struct{ signatory Signatory }

// Sign answers personal_sign, which is eth_sign with its parameters the other way
// round. There are no passwords here: one that is sent is refused, and an empty
// one is none.
func (p personalAPI) Sign(ctx context.Context, data hexutil.Bytes, address common.Address, password *string) (signature hexutil.Bytes, err error) {
	const method = "personal_sign"
	ctx, call := p.signatory.account.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	if password != nil && *password != "" {
		return nil, refuse("accounts have no passwords here: leave the third parameter out")
	}
	return p.signatory.SignText(ctx, method, address, data)
}

// healthAPI tells clients of op-signer that the signer is there.
type healthAPI struct{ release string }

// Status answers health_status with the release of the signer, as op-signer does.
// It is not put to rules.
func (h healthAPI) Status() string { return h.release }

// opsignerAPI answers op-signer's methods for the sequencer of an OP stack.
type opsignerAPI struct{ account *Account }

// SignBlockPayload answers opsigner_signBlockPayload: r‖s‖v in 65 bytes, v 0 or 1.
func (o opsignerAPI) SignBlockPayload(ctx context.Context, payload blockPayloadV1) (hexutil.Bytes, error) {
	return o.sign(ctx, "opsigner_signBlockPayload", &payload.blockPayload)
}

// SignBlockPayloadV2 answers opsigner_signBlockPayloadV2, the same in another form.
func (o opsignerAPI) SignBlockPayloadV2(ctx context.Context, payload blockPayloadV2) (hexutil.Bytes, error) {
	return o.sign(ctx, "opsigner_signBlockPayloadV2", &payload.blockPayload)
}

func (o opsignerAPI) sign(ctx context.Context, method string, payload *blockPayload) (hexutil.Bytes, error) {
	signature, err := o.account.signPayload(ctx, method, payload)
	return signature, withCodes(err, codeInvalidPayload, codeDeniedPayload)
}
