package outbox

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"

	"github.com/kvclef/kvclef/extapi"
)

// checkFee refuses a transaction whose fees may be more than the bound, in geth's
// words: a node that lies about the market, or a caller that mistypes, costs no more.
func (o *Outbox) checkFee(args *extapi.TransactionArgs) error {
	most := o.cfg.FeeCap
	if most == nil {
		return nil
	}
	price := args.MaxFeePerGas
	if price == nil {
		price = args.GasPrice
	}
	fee := times(price, uint64(args.Gas))
	blobs := max(len(args.BlobHashes), len(args.Blobs)) // whose hashes may follow later
	fee.Add(fee, times(args.BlobFeeCap, uint64(blobs)*params.BlobTxBlobGasPerBlob))
	if fee.Cmp(most) <= 0 {
		return nil
	}
	return refuse("tx fee (%.2f ether) exceeds the configured cap (%.2f ether)", coins(fee), coins(most))
}

func times(price *hexutil.Big, gas uint64) *big.Int {
	if price == nil {
		return new(big.Int)
	}
	return new(big.Int).Mul((*big.Int)(price), new(big.Int).SetUint64(gas))
}

// coins returns wei in the chain's coin, for people.
func coins(wei *big.Int) *big.Float {
	return new(big.Float).Quo(new(big.Float).SetInt(wei), big.NewFloat(params.Ether))
}
