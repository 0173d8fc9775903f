package extapi

import (
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// maxCallData bounds call data, in bytes. geth's pool takes transactions of up
// to 128 KiB; other nodes take more.
const maxCallData = 1 << 20

// checkBounds refuses what is too large to be looked at, and blob members that
// don't belong together, before any work is done for them.
func (t *TransactionArgs) checkBounds() error {
	if !t.decoded {
		return refuse("the transaction is missing: give an object")
	}
	for _, data := range []*hexutil.Bytes{t.Data, t.Input} {
		if data != nil && len(*data) > maxCallData {
			return refuse("call data of %d bytes is too large: at most %d are signed", len(*data), maxCallData)
		}
	}
	if t.Authorizations != nil {
		if err := t.checkSetCode(); err != nil {
			return err
		}
	}
	return t.checkBlobMembers()
}

// check refuses transactions that could never be mined, and members that would
// not be in the transaction. Clef signs both. It follows validation, so that
// Clef's findings come first.
func (t *TransactionArgs) check(chain *big.Int) error {
	kind := t.txType()
	if t.Type != nil && uint64(*t.Type) != uint64(kind) {
		return refuse("type 0x%x does not agree with the other members, which make a transaction of type 0x%x: correct or remove it", uint64(*t.Type), kind)
	}
	if t.Gas == 0 {
		return refuse("gas is 0: such a transaction is never mined")
	}
	if uint64(t.Nonce) == math.MaxUint64 {
		return refuse("nonce %d is too large: such a transaction is never mined (EIP-2681)", uint64(t.Nonce))
	}
	switch kind {
	case types.LegacyTxType, types.AccessListTxType:
		if t.MaxPriorityFeePerGas != nil {
			return refuse("maxPriorityFeePerGas without maxFeePerGas would be dropped: give both or gasPrice alone")
		}
		return nil
	case types.BlobTxType:
		if err := t.checkBlobFees(); err != nil {
			return err
		}
	case types.SetCodeTxType:
		if err := t.checkAuthorizations(chain); err != nil {
			return err
		}
	}
	return t.checkFeeCaps()
}

// checkFeeCaps checks the fees of types that have caps (EIP-1559).
func (t *TransactionArgs) checkFeeCaps() error {
	if t.GasPrice != nil {
		return refuse("gasPrice would be dropped from a transaction with maxFeePerGas: give one of them")
	}
	if t.MaxPriorityFeePerGas != nil && t.MaxPriorityFeePerGas.ToInt().Cmp(t.MaxFeePerGas.ToInt()) > 0 {
		return refuse("maxPriorityFeePerGas %v is above maxFeePerGas %v: such a transaction is never mined", t.MaxPriorityFeePerGas.ToInt(), t.MaxFeePerGas.ToInt())
	}
	return nil
}
