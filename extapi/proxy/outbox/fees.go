package outbox

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// fillFees adds the fees that are missing: caps where the chain has a base fee
// (EIP-1559), a gas price where it has none, or where the caller's type asks for
// one. A gas price that the caller gave is kept after London too.
func (o *Outbox) fillFees(ctx context.Context, d *draft) error {
	tx := &d.tx
	if err := o.fillBlobFee(ctx, d); err != nil {
		return err
	}
	capped := tx.MaxFeePerGas != nil || tx.MaxPriorityFeePerGas != nil
	switch {
	case tx.GasPrice != nil && capped:
		return refuse("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
	case tx.GasPrice != nil && tx.Authorizations != nil:
		return refuse("both gasPrice and authorizationList specified")
	case tx.GasPrice != nil:
		return nil
	case tx.MaxFeePerGas != nil && tx.MaxPriorityFeePerGas != nil:
		return checkTip(d)
	}
	latest, err := o.market.head(ctx, d.chain)
	if err != nil {
		return err
	}
	priced := tx.Type != nil && (*tx.Type == types.LegacyTxType || *tx.Type == types.AccessListTxType)
	switch {
	case latest.BaseFee == nil && capped:
		return refuse("maxFeePerGas and maxPriorityFeePerGas are not valid before London is active")
	case priced && capped:
		return refuse("a transaction of type 0x%x has a gasPrice: remove maxFeePerGas and maxPriorityFeePerGas, or the type", uint64(*tx.Type))
	case latest.BaseFee == nil, priced:
		return o.fillPrice(ctx, d)
	default:
		return o.fillCaps(ctx, d, latest.BaseFee.ToInt())
	}
}

// fillPrice adds the gas price, which is 0 where gas is free.
func (o *Outbox) fillPrice(ctx context.Context, d *draft) error {
	price, err := o.market.price(ctx, d.chain)
	if err != nil {
		return err
	}
	d.tx.GasPrice = (*hexutil.Big)(price)
	d.add("gasPrice")
	if d.tx.Type != nil && *d.tx.Type == types.AccessListTxType && d.tx.AccessList == nil {
		d.tx.AccessList = new(types.AccessList) // an empty one is what makes the type
		d.add("accessList")
	}
	return nil
}

// fillCaps adds what is missing of the two caps. One that is filled in fits the
// other.
func (o *Outbox) fillCaps(ctx context.Context, d *draft, base *big.Int) error {
	tx := &d.tx
	if tx.MaxPriorityFeePerGas == nil {
		tip, err := o.market.tip(ctx, d.chain, base)
		if err != nil {
			return err
		}
		if tx.MaxFeePerGas != nil && tip.Cmp(tx.MaxFeePerGas.ToInt()) > 0 {
			tip = tx.MaxFeePerGas.ToInt()
		}
		tx.MaxPriorityFeePerGas = (*hexutil.Big)(tip)
		d.add("maxPriorityFeePerGas")
	}
	if tx.MaxFeePerGas == nil {
		tx.MaxFeePerGas = (*hexutil.Big)(headroom(base, tx.MaxPriorityFeePerGas.ToInt()))
		d.add("maxFeePerGas")
	}
	return checkTip(d)
}

// headroom returns a fee cap that lets the base fee double.
func headroom(base, tip *big.Int) *big.Int {
	feeCap := new(big.Int).Lsh(base, 1)
	return feeCap.Add(feeCap, tip)
}

// checkTip refuses a tip above the cap.
func checkTip(d *draft) error {
	if d.tx.MaxFeePerGas.ToInt().Cmp(d.tx.MaxPriorityFeePerGas.ToInt()) < 0 {
		return refuse("maxFeePerGas (%v) < maxPriorityFeePerGas (%v)", d.tx.MaxFeePerGas, d.tx.MaxPriorityFeePerGas)
	}
	return nil
}

// fillBlobFee adds the fee cap of blobs, where there are some.
func (o *Outbox) fillBlobFee(ctx context.Context, d *draft) error {
	tx := &d.tx
	if tx.BlobFeeCap != nil || tx.Blobs == nil && tx.BlobHashes == nil {
		return nil
	}
	base, err := o.market.blobBase(ctx, d.chain)
	if err != nil {
		return err
	}
	feeCap := new(big.Int).Lsh(base, 1)
	if feeCap.Sign() == 0 {
		feeCap.SetUint64(1)
	}
	tx.BlobFeeCap = (*hexutil.Big)(feeCap)
	d.add("maxFeePerBlobGas")
	return nil
}
