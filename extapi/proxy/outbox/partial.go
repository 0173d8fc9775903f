package outbox

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/extapi"
)

// partialOf returns a signed transaction as its caller might have given it.
func partialOf(account common.Address, tx *types.Transaction) extapi.PartialTransaction {
	partial := extapi.PartialTransaction{HasNonce: true, HasGas: true}
	partial.From = common.NewMixedcaseAddress(account)
	if tx.To() != nil {
		to := common.NewMixedcaseAddress(*tx.To())
		partial.To = &to
	}
	partial.Nonce, partial.Gas, partial.Value = hexutil.Uint64(tx.Nonce()), hexutil.Uint64(tx.Gas()), hexutil.Big(*tx.Value())
	partial.ChainID = (*hexutil.Big)(tx.ChainId())
	if data := hexutil.Bytes(tx.Data()); len(data) > 0 {
		partial.Data = &data
	}
	if tx.Type() <= types.AccessListTxType {
		partial.GasPrice = (*hexutil.Big)(tx.GasPrice())
	} else {
		partial.MaxFeePerGas, partial.MaxPriorityFeePerGas = (*hexutil.Big)(tx.GasFeeCap()), (*hexutil.Big)(tx.GasTipCap())
	}
	if list := tx.AccessList(); tx.Type() == types.AccessListTxType || len(list) > 0 {
		partial.AccessList = &list
	}
	if tx.Type() == types.BlobTxType {
		partial.BlobFeeCap, partial.BlobHashes = (*hexutil.Big)(tx.BlobGasFeeCap()), tx.BlobHashes()
		if sidecar := tx.BlobTxSidecar(); sidecar != nil {
			partial.Blobs, partial.Commitments, partial.Proofs, partial.BlobVersion = sidecar.Blobs, sidecar.Commitments, sidecar.Proofs, sidecar.Version
		}
	}
	if tx.Type() == types.SetCodeTxType {
		partial.Authorizations = tx.SetCodeAuthorizations()
	}
	return partial
}
