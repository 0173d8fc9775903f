package extapi

import (
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// maxBlobs bounds the blobs of a transaction: what a Prague block holds. Since
// Osaka a transaction may have six (EIP-7594).
const maxBlobs = 9

// blobHashVersion is the first byte of a versioned hash (EIP-4844).
const blobHashVersion = 0x01

// checkBlobMembers refuses blob members that don't belong together. What Clef
// refuses itself is left to validation, which has Clef's texts.
func (t *TransactionArgs) checkBlobMembers() error {
	if n := max(len(t.Blobs), len(t.BlobHashes)); n > maxBlobs {
		return refuse("a transaction with %d blobs is too large: at most %d are signed", n, maxBlobs)
	}
	if t.Blobs == nil {
		switch {
		case t.Commitments != nil:
			return refuse("commitments without blobs would be dropped: give blobs or remove them")
		case t.Proofs != nil:
			return refuse("proofs without blobs would be dropped: give blobs or remove them")
		case t.hasBlobVersion:
			return refuse("blobVersion without blobs would be dropped: give blobs or remove it")
		case t.BlobFeeCap != nil && t.BlobHashes == nil:
			return refuse("maxFeePerBlobGas without blobs would be dropped: give blobs or blobVersionedHashes or remove it")
		}
		return nil
	}
	if len(t.Blobs) == 0 {
		return refuse("blobs is empty: such a transaction is never mined")
	}
	return t.checkBlobVersion()
}

// checkBlobVersion checks a written sidecar version against the proofs: one for
// each blob is version 0 (EIP-4844), one for each cell is version 1 (EIP-7594).
// Without proofs it says which ones to compute.
func (t *TransactionArgs) checkBlobVersion() error {
	if !t.hasBlobVersion {
		return nil
	}
	perBlob := 1
	switch t.BlobVersion {
	case types.BlobSidecarVersion0:
	case types.BlobSidecarVersion1:
		perBlob = kzg4844.CellProofsPerBlob
	default:
		return refuse("blobVersion %d is unknown: 0 is a proof for each blob, 1 cell proofs", t.BlobVersion)
	}
	if want := perBlob * len(t.Blobs); t.Proofs != nil && len(t.Proofs) != want {
		return refuse("blobVersion %d does not agree with %d proofs: want %d", t.BlobVersion, len(t.Proofs), want)
	}
	return nil
}

// checkBlobFees checks what a blob transaction pays with, and its hashes.
func (t *TransactionArgs) checkBlobFees() error {
	switch {
	case t.GasPrice != nil:
		return refuse("gasPrice would be dropped from a blob transaction: give maxFeePerGas and maxPriorityFeePerGas")
	case t.MaxFeePerGas == nil:
		return refuse("maxFeePerGas is missing from a blob transaction: such a transaction is never mined")
	case t.BlobFeeCap == nil:
		return refuse("maxFeePerBlobGas is missing from a blob transaction: geth sends it since v1.17.5, update the node")
	case t.BlobFeeCap.ToInt().Sign() == 0:
		return refuse("maxFeePerBlobGas is 0: such a transaction is never mined")
	case len(t.BlobHashes) == 0:
		return refuse("blobVersionedHashes is empty: such a transaction is never mined")
	}
	for i, hash := range t.BlobHashes {
		if hash[0] != blobHashVersion {
			return refuse("blobVersionedHashes[%d] is %v, which does not begin with 0x01: such a transaction is never mined", i, hash)
		}
	}
	return nil
}

// takeSidecar takes blobs, commitments and proofs out of validated arguments.
// They are not signed; the versioned hashes are, and stay. Rules and logs so
// never hold whole blobs.
func (t *TransactionArgs) takeSidecar() *types.BlobTxSidecar {
	if t.Blobs == nil {
		return nil
	}
	version := types.BlobSidecarVersion0
	if len(t.Proofs) == len(t.Blobs)*kzg4844.CellProofsPerBlob {
		version = types.BlobSidecarVersion1
	}
	sidecar := types.NewBlobTxSidecar(version, t.Blobs, t.Commitments, t.Proofs)
	t.Blobs, t.Commitments, t.Proofs = nil, nil, nil
	return sidecar
}
