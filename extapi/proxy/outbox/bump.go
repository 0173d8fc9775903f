package outbox

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// What nodes ask for at least to replace a transaction, in thousandths: geth 10 %,
// Erigon and others 12.5 %, and 100 % with blobs.
const (
	leastRaise     = 125
	leastBlobRaise = 1000
)

// maxRaise bounds the percentage by which fees are raised.
const maxRaise = 10_000

// Bump sends a transaction that is under way again, with higher fees: raised by
// the percentage, by what nodes ask for at least (12.5 %, and 100 % with blobs),
// or to what the market asks for, whichever is most. It returns the new hash. The
// new one is decided and signed as every transaction is, for the caller of ctx;
// whichever is mined replaces the other.
func (o *Outbox) Bump(ctx context.Context, hash common.Hash, percent uint) (common.Hash, error) {
	if percent > maxRaise {
		return common.Hash{}, refuse("%d %% is too much to raise fees by: at most %d", percent, maxRaise)
	}
	bumped, err := o.replace(ctx, hash, uint64(percent)*10, 0, nil)
	return bumped, o.told(ctx, err)
}

// Cancel replaces a transaction that is under way by one that sends nothing to
// its own account, with fees as Bump's. It returns the new hash. The old one may
// still be mined.
func (o *Outbox) Cancel(ctx context.Context, hash common.Hash) (common.Hash, error) {
	canceled, err := o.replace(ctx, hash, 0, maxCancels, o.empty)
	return canceled, o.told(ctx, err)
}

// replace sends another transaction with the nonce of one that is under way. More may have
// that nonce than other transactions may.
func (o *Outbox) replace(ctx context.Context, hash common.Hash, raise uint64, more int, change func(context.Context, *draft) error) (common.Hash, error) {
	old, err := o.recordOf(ctx, hash)
	switch {
	case err != nil:
		return common.Hash{}, err
	case !old.State.InFlight():
		return common.Hash{}, refuse("transaction %v is %s, and not under way", hash, old.State)
	}
	chain, err := o.guard.chain(ctx)
	switch {
	case err != nil:
		return common.Hash{}, err
	case chain.Cmp(old.Chain) != 0:
		return common.Hash{}, refuse("transaction %v is of chain %v, the node of chain %v", hash, old.Chain, chain)
	}
	l := o.book.lane(old.lane())
	leave, err := o.takeTurn(ctx, l)
	if err != nil {
		return common.Hash{}, err
	}
	defer leave()
	l.passed = 0
	if err := o.settleDoubt(ctx, l); err != nil {
		return common.Hash{}, err
	}
	if e, ok := o.book.find(hash); !ok || !e.state.InFlight() {
		return common.Hash{}, refuse("transaction %v is no longer under way", hash)
	}
	if err := o.roomAt(l, old.Nonce, more); err != nil {
		return common.Hash{}, err
	}
	d, err := o.again(ctx, old, raise)
	if err != nil {
		return common.Hash{}, err
	}
	if change != nil {
		if err := change(ctx, d); err != nil {
			return common.Hash{}, err
		}
	}
	args, filled := d.at(old.Nonce)
	signed, err := o.sign(rules.Hurry(ctx), methodSend, args, filled)
	if err != nil {
		return common.Hash{}, err
	}
	r := newRecord(chain, old.Account, signed, filled, o.book.after(l, old.Nonce, o.cfg.Clock()))
	r.Replaces = &hash
	return o.release(ctx, l, r, nil, false)
}

// again makes the draft of the same transaction with higher fees than any of its
// nonce has that is under way.
func (o *Outbox) again(ctx context.Context, old *record, raise uint64) (*draft, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(old.Bytes); err != nil {
		return nil, fmt.Errorf("decoding a kept transaction: %w", err)
	}
	d := &draft{tx: partialOf(old.Account, tx), chain: old.Chain, filled: slices.Clone(old.Filled)}
	raise = max(raise, leastRaise)
	if tx.Type() == types.BlobTxType {
		raise = max(raise, leastBlobRaise)
	}
	most, err := o.highest(ctx, old)
	if err != nil {
		return nil, err
	}
	latest, err := o.market.head(ctx, old.Chain)
	if err != nil {
		return nil, err
	}
	if d.tx.GasPrice != nil {
		price, err := o.market.price(ctx, old.Chain)
		if err != nil {
			return nil, err
		}
		if most.fee.Sign() == 0 && price.Sign() == 0 {
			return nil, refuse("gas is free on this chain: there is no fee to raise")
		}
		d.tx.GasPrice = (*hexutil.Big)(larger(raised(most.fee, raise), price))
		d.add("gasPrice")
		return d, nil
	}
	if latest.BaseFee == nil {
		return nil, refuse("the chain has no base fee any more")
	}
	base := latest.BaseFee.ToInt()
	tip, err := o.market.tip(ctx, old.Chain, base)
	if err != nil {
		return nil, err
	}
	tip = larger(raised(most.tip, raise), tip)
	d.caps(larger(raised(most.fee, raise), headroom(base, tip)), tip)
	if d.tx.BlobFeeCap != nil {
		blobBase, err := o.market.blobBase(ctx, old.Chain)
		if err != nil {
			return nil, err
		}
		d.tx.BlobFeeCap = (*hexutil.Big)(larger(raised(larger(most.blob, d.tx.BlobFeeCap.ToInt()), raise), new(big.Int).Lsh(blobBase, 1)))
		d.add("maxFeePerBlobGas")
	}
	return d, nil
}

// caps are the highest caps of several transactions.
type caps struct {
	fee, tip *big.Int
	blob     *big.Int // zero without blobs
}

// highest returns the highest caps of all transactions with the nonce of one that
// are under way.
func (o *Outbox) highest(ctx context.Context, old *record) (most caps, err error) {
	most = caps{old.FeeCap, old.TipCap, new(big.Int)}
	prefix := fmt.Sprintf("%s%s/%020d/", prefixTransactions, old.lane().path(), old.Nonce)
	err = o.cfg.Records.EachRecord(ctx, prefix, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		if err != nil || !r.State.InFlight() {
			return err
		}
		most.fee, most.tip = larger(most.fee, r.FeeCap), larger(most.tip, r.TipCap)
		if r.Bytes[0] != types.BlobTxType {
			return nil
		}
		tx := new(types.Transaction) // the record does not have it
		if err := tx.UnmarshalBinary(r.Bytes); err != nil {
			return fmt.Errorf("decoding a kept transaction: %w", err)
		}
		most.blob = larger(most.blob, tx.BlobGasFeeCap())
		return nil
	})
	return most, err
}

// empty makes a draft one that sends nothing to its own account.
func (o *Outbox) empty(ctx context.Context, d *draft) error {
	from := common.NewMixedcaseAddress(d.from())
	canceled := extapi.PartialTransaction{HasNonce: true}
	canceled.From, canceled.To, canceled.ChainID, canceled.Nonce = from, &from, d.tx.ChainID, d.tx.Nonce
	canceled.GasPrice, canceled.MaxFeePerGas, canceled.MaxPriorityFeePerGas = d.tx.GasPrice, d.tx.MaxFeePerGas, d.tx.MaxPriorityFeePerGas
	if d.tx.BlobHashes != nil { // pools replace blobs by blobs alone
		return refuse("a transaction with blobs can't be cancelled: raise its fees instead")
	}
	d.tx = canceled
	return o.fillGas(ctx, d)
}

// caps sets new fee caps.
func (d *draft) caps(feeCap, tipCap *big.Int) {
	d.tx.MaxFeePerGas, d.tx.MaxPriorityFeePerGas = (*hexutil.Big)(feeCap), (*hexutil.Big)(tipCap)
	d.add("maxFeePerGas", "maxPriorityFeePerGas")
}

// raised returns a fee that is higher by thousandths, rounded up, and by 1 wei at
// least: a fee of nothing is raised too.
func raised(fee *big.Int, thousandths uint64) *big.Int {
	more := new(big.Int).Mul(fee, new(big.Int).SetUint64(1000+thousandths))
	more.Add(more, big.NewInt(999))
	return larger(more.Div(more, big.NewInt(1000)), new(big.Int).Add(fee, common.Big1))
}

// larger returns the larger of two numbers.
func larger(x, y *big.Int) *big.Int {
	if x.Cmp(y) > 0 {
		return x
	}
	return y
}
