package outbox

import (
	"context"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/kvclef/kvclef/extapi"
)

// blobVersion is of the proofs that are computed for blobs whose caller brings
// none: cell proofs (EIP-7594), which every network asks for since Osaka.
const blobVersion = types.BlobSidecarVersion1

// maxPayload bounds call data and blobs together, in bytes, so that a transaction
// fits a record.
const maxPayload = 1_400_000

// draft is a transaction that is complete but for its nonce.
type draft struct {
	tx     extapi.PartialTransaction
	chain  *big.Int
	filled []string // names of the members that were added
	asked  asked    // what it was made of; zero for a replacement
	parked []byte   // the record of what people are asked about; nil: none is known
}

// fill adds what a caller left out, but for the nonce: what it was before, as far as that
// says something. What the caller gave stays as it is, also in what it gave it in.
func (o *Outbox) fill(ctx context.Context, given *extapi.PartialTransaction, as *filling) (*draft, error) {
	if size := payload(given); size > maxPayload {
		return nil, refuse("call data and blobs of %d bytes are too large: at most %d are sent", size, maxPayload)
	}
	chain, err := o.guard.chain(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkChain(chain, given.ChainID); err != nil {
		return nil, err
	}
	d := &draft{tx: *given, chain: chain}
	d.fillIn(as)
	if d.tx.ChainID == nil {
		d.tx.ChainID = (*hexutil.Big)(chain)
		d.add("chainId")
	}
	if err := o.fillFees(ctx, d); err != nil {
		return nil, err
	}
	if err := o.fillBlobs(ctx, d); err != nil {
		return nil, err
	}
	if d.tx.To == nil && len(callData(&d.tx)) == 0 {
		return nil, refuse("contract creation without any data provided")
	}
	if err := d.tx.Check(chain); err != nil {
		return nil, signerError{err}
	}
	return d, o.fillGas(ctx, d)
}

// add notes a member that was filled in.
func (d *draft) add(names ...string) { d.filled = append(d.filled, names...) }

// from is the account that sends.
func (d *draft) from() common.Address { return d.tx.From.Address() }

// at returns the transaction with a nonce, which is the caller's if it gave one,
// and the names of all that was filled in.
func (d *draft) at(nonce uint64) (extapi.TransactionArgs, []string) {
	tx := d.tx
	filled := slices.Clone(d.filled)
	if !tx.HasNonce {
		tx.Nonce = hexutil.Uint64(nonce)
		filled = append(filled, "nonce")
	}
	slices.Sort(filled)
	return tx.Complete(), slices.Compact(filled)
}

// fillBlobs adds what follows from the blobs. Commitments take a core for a while,
// so few are computed at a time.
func (o *Outbox) fillBlobs(ctx context.Context, d *draft) error {
	if d.tx.Blobs == nil {
		return nil
	}
	select {
	case o.sidecars <- struct{}{}:
		defer func() { <-o.sidecars }()
	case <-ctx.Done():
		return ctx.Err()
	}
	added, err := d.tx.FillBlobs(blobVersion)
	if err != nil {
		return signerError{err}
	}
	d.add(added...)
	return nil
}

// callData is what a transaction brings for its recipient.
func callData(tx *extapi.PartialTransaction) []byte {
	switch {
	case tx.Input != nil:
		return *tx.Input
	case tx.Data != nil:
		return *tx.Data
	default:
		return nil
	}
}

// payload is how many bytes of call data and blobs there are.
func payload(tx *extapi.PartialTransaction) int {
	size := len(callData(tx))
	return size + len(tx.Blobs)*len(kzg4844.Blob{})
}
