package extapi

import (
	"bytes"
	"crypto/sha256"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// FillBlobs adds the versioned hashes of blobs whose caller left them out, and the
// version of the proofs that are to be computed, if the caller brings none. It
// returns the names of what it added. Computing a commitment takes milliseconds of
// a core: the caller bounds how many do at a time.
func (p *PartialTransaction) FillBlobs(version byte) ([]string, error) {
	if err := p.checkBlobMembers(); err != nil || p.Blobs == nil {
		return nil, err
	}
	var filled []string
	if !p.hasBlobVersion && p.Proofs == nil {
		p.BlobVersion, p.hasBlobVersion = version, true
		filled = append(filled, "blobVersion")
	}
	if p.BlobHashes != nil {
		return filled, nil
	}
	commitments := p.Commitments
	if commitments == nil {
		commitments = make([]kzg4844.Commitment, len(p.Blobs))
		for i := range p.Blobs {
			var err error
			if commitments[i], err = kzg4844.BlobToCommitment(&p.Blobs[i]); err != nil {
				return nil, refuse("blobs[%d]: error computing commitment: %v", i, err)
			}
		}
	}
	hasher := sha256.New()
	p.BlobHashes = make([]common.Hash, len(commitments))
	for i := range commitments {
		p.BlobHashes[i] = kzg4844.CalcBlobHashV1(hasher, &commitments[i])
	}
	return append(filled, "blobVersionedHashes"), nil
}

// Check refuses a transaction that would not be signed. What is filled in last,
// its nonce and its gas, may be missing.
func (p *PartialTransaction) Check(chain *big.Int) error {
	args := p.Complete()
	if !p.HasGas {
		args.Gas = 1
	}
	return args.checkComplete(chain)
}

// checkComplete makes the checks of a request that look at nothing but it.
func (t *TransactionArgs) checkComplete(chain *big.Int) error {
	if err := t.checkBounds(); err != nil {
		return err
	}
	if t.Data != nil && t.Input != nil && !bytes.Equal(*t.Data, *t.Input) {
		return refuse(`both "data" and "input" are set and not equal. Please use "input" to pass transaction call data`)
	}
	if err := checkNumbers(&t.SendTxArgs); err != nil {
		return err
	}
	return t.check(chain)
}

// Unsigned returns the transaction of complete arguments without a signature, with
// the blobs that they bring.
func (t *TransactionArgs) Unsigned(chain *big.Int) (*types.Transaction, error) {
	if err := t.checkComplete(chain); err != nil {
		return nil, err
	}
	args := *t // the sidecar is computed into it
	if args.Input != nil {
		args.Data, args.Input = args.Input, nil
	}
	tx, err := args.transaction(chain)
	if err != nil {
		return nil, publicError(err.Error())
	}
	return tx, nil
}
