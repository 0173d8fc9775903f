package extapi

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// describeTransaction fills in a transaction and its arguments.
func describeTransaction(req *rules.Request, whole *audit.Whole, preimage []byte) error {
	tx, chain, err := transactionOf(preimage)
	if err != nil {
		return err
	}
	if chain.Sign() <= 0 {
		return errBroken
	}
	args, err := argsOf(tx, chain, req.Account.Address, whole)
	if err != nil {
		return err
	}
	d := draft{tx: tx, args: *args, chain: chain, signer: types.LatestSignerForChainID(chain)}
	d.describe(req)
	return describeCall(req, whole, tx.Data())
}

// transactionOf makes the transaction of which [unsigned] returns the bytes, and
// its chain.
func transactionOf(preimage []byte) (*types.Transaction, *big.Int, error) {
	if len(preimage) == 0 {
		return nil, nil, errBroken
	}
	encoded := preimage
	legacy := preimage[0] >= 0xc0 // the beginning of a list
	if !legacy {
		members, rest, err := rlp.SplitList(preimage[1:])
		if err != nil || len(rest) > 0 {
			return nil, nil, errBroken
		}
		encoded = listOf(preimage[0], slices.Concat(members, noSignature[:]))
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(encoded); err != nil {
		return nil, nil, err
	}
	chain := tx.ChainId()
	if legacy {
		v, r, s := tx.RawSignatureValues()
		if r.Sign() != 0 || s.Sign() != 0 {
			return nil, nil, errBroken
		}
		chain = v
		tx = types.NewTx(&types.LegacyTx{
			Nonce: tx.Nonce(), GasPrice: tx.GasPrice(), Gas: tx.Gas(), To: tx.To(), Value: tx.Value(), Data: tx.Data(),
		})
	}
	// What was not signed, and would be lost, is not there.
	if again, err := unsigned(tx, chain); err != nil || !bytes.Equal(again, preimage) {
		return nil, nil, errBroken
	}
	return tx, chain, nil
}

// argsOf are the arguments that a transaction was made from.
func argsOf(tx *types.Transaction, chain *big.Int, from common.Address, whole *audit.Whole) (*apitypes.SendTxArgs, error) {
	data := hexutil.Bytes(tx.Data())
	args := &apitypes.SendTxArgs{
		Gas:         hexutil.Uint64(tx.Gas()),
		Value:       hexutil.Big(*tx.Value()),
		Nonce:       hexutil.Uint64(tx.Nonce()),
		Data:        &data,
		ChainID:     (*hexutil.Big)(chain),
		BlobFeeCap:  (*hexutil.Big)(tx.BlobGasFeeCap()),
		BlobHashes:  tx.BlobHashes(),
		BlobVersion: whole.BlobVersion,
	}
	if err := spelled(&args.From, &from, whole.From); err != nil {
		return nil, err
	}
	if to := tx.To(); to != nil {
		args.To = new(common.MixedcaseAddress)
		if err := spelled(args.To, to, whole.To); err != nil {
			return nil, err
		}
	}
	switch tx.Type() {
	case types.LegacyTxType, types.AccessListTxType:
		args.GasPrice = (*hexutil.Big)(tx.GasPrice())
	default:
		args.MaxFeePerGas, args.MaxPriorityFeePerGas = (*hexutil.Big)(tx.GasFeeCap()), (*hexutil.Big)(tx.GasTipCap())
	}
	if tx.Type() != types.LegacyTxType {
		list := append(types.AccessList{}, tx.AccessList()...)
		args.AccessList = &list
	}
	for _, member := range optionalMembers(args) {
		if slices.Contains(whole.Absent, member.name) {
			member.remove(args)
		}
	}
	return args, nil
}

// spelled sets an address as the caller wrote it.
func spelled(into *common.MixedcaseAddress, address *common.Address, text string) error {
	if text == "" {
		*into = common.NewMixedcaseAddress(*address)
		return nil
	}
	written, err := common.NewMixedcaseAddressFromString(text)
	if err != nil || written.Address() != *address {
		return errBroken
	}
	*into = *written
	return nil
}
