package outbox

import (
	"context"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// estimate is what a node is asked to estimate: exactly the members of the
// transaction that gas depends on. Call data has its older name, which every node
// knows.
type estimate struct {
	From           common.Address               `json:"from"`
	To             *common.Address              `json:"to,omitempty"`
	GasPrice       *hexutil.Big                 `json:"gasPrice,omitempty"`
	FeeCap         *hexutil.Big                 `json:"maxFeePerGas,omitempty"`
	TipCap         *hexutil.Big                 `json:"maxPriorityFeePerGas,omitempty"`
	Value          *hexutil.Big                 `json:"value"`
	Data           hexutil.Bytes                `json:"data,omitempty"`
	AccessList     *types.AccessList            `json:"accessList,omitempty"`
	BlobFeeCap     *hexutil.Big                 `json:"maxFeePerBlobGas,omitempty"`
	BlobHashes     []common.Hash                `json:"blobVersionedHashes,omitempty"`
	Authorizations []types.SetCodeAuthorization `json:"authorizationList,omitempty"`
}

// fillGas adds the gas limit. What the node has against the transaction, such as a
// revert or funds that do not suffice, is the caller's answer.
func (o *Outbox) fillGas(ctx context.Context, d *draft) error {
	tx := &d.tx
	if tx.HasGas {
		return nil
	}
	latest, err := o.market.head(ctx, d.chain)
	if err != nil {
		return err
	}
	asked := estimate{
		From: d.from(), GasPrice: tx.GasPrice, FeeCap: tx.MaxFeePerGas, TipCap: tx.MaxPriorityFeePerGas, Value: &tx.Value,
		Data: callData(tx), AccessList: tx.AccessList, BlobFeeCap: tx.BlobFeeCap, BlobHashes: tx.BlobHashes, Authorizations: tx.Authorizations,
	}
	if tx.To != nil {
		to := tx.To.Address()
		asked.To = &to
	}
	var answer *hexutil.Uint64
	if err := o.client.call(ctx, &answer, "eth_estimateGas", asked); err != nil {
		return err
	}
	if answer == nil || *answer == 0 {
		return &faultError{"gave no estimate of the gas"}
	}
	tx.Gas = hexutil.Uint64(margin(uint64(*answer), uint64(*latest.GasLimit), o.cfg.GasMargin))
	d.add("gas")
	return nil
}

// margin returns an estimate with a margin, which takes it neither above what a
// block holds nor above what a transaction may have since Osaka (EIP-7825). A plain
// transfer needs none: it costs the same whatever happens, and who sends all that
// an account has must know it.
func margin(estimated, block uint64, factor float64) uint64 {
	if estimated == params.TxGas {
		return estimated
	}
	gas := uint64(math.MaxInt64)
	if with := math.Ceil(float64(estimated) * factor); with < math.MaxInt64 {
		gas = uint64(with)
	}
	for _, most := range []uint64{params.MaxTxGas, block} {
		if estimated <= most {
			gas = min(gas, most)
		}
	}
	return max(gas, estimated)
}
