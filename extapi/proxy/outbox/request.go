package outbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/extapi"
)

// request is what a caller gave, in one spelling. Blobs are there by their hash.
type request struct {
	From           common.Address               `json:"from"`
	To             *common.Address              `json:"to"`
	Nonce          *hexutil.Uint64              `json:"nonce"`
	Gas            *hexutil.Uint64              `json:"gas"`
	GasPrice       *hexutil.Big                 `json:"gas_price"`
	FeeCap         *hexutil.Big                 `json:"fee_cap"`
	TipCap         *hexutil.Big                 `json:"tip_cap"`
	Value          *hexutil.Big                 `json:"value"`
	Data           hexutil.Bytes                `json:"data"`
	AccessList     *types.AccessList            `json:"access_list"`
	ChainID        *hexutil.Big                 `json:"chain_id"`
	Type           *hexutil.Uint64              `json:"type"`
	BlobFeeCap     *hexutil.Big                 `json:"blob_fee_cap"`
	BlobHashes     []common.Hash                `json:"blob_hashes"`
	BlobVersion    byte                         `json:"blob_version"`
	Sidecar        string                       `json:"sidecar"`
	Authorizations []types.SetCodeAuthorization `json:"authorizations"`
}

// requestHash returns the SHA-256 of what a caller gave, in hexadecimal: the same
// for every spelling of the same request.
func requestHash(given *extapi.PartialTransaction) (string, error) {
	asked := request{
		From: given.From.Address(), GasPrice: given.GasPrice, FeeCap: given.MaxFeePerGas, TipCap: given.MaxPriorityFeePerGas,
		Value: &given.Value, Data: callData(given), AccessList: given.AccessList, ChainID: given.ChainID, Type: given.Type,
		BlobFeeCap: given.BlobFeeCap, BlobHashes: given.BlobHashes, BlobVersion: given.BlobVersion, Sidecar: sidecarHash(given),
		Authorizations: given.Authorizations,
	}
	if given.To != nil {
		to := given.To.Address()
		asked.To = &to
	}
	if given.HasNonce {
		asked.Nonce = &given.Nonce
	}
	if given.HasGas {
		asked.Gas = &given.Gas
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return "", fmt.Errorf("encoding a request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// sidecarHash returns the hash of all blobs, commitments and proofs, "" if there
// are none.
func sidecarHash(given *extapi.PartialTransaction) string {
	if given.Blobs == nil {
		return ""
	}
	hasher := sha256.New()
	fmt.Fprintf(hasher, "%d %d %d ", len(given.Blobs), len(given.Commitments), len(given.Proofs))
	for i := range given.Blobs {
		hasher.Write(given.Blobs[i][:])
	}
	for i := range given.Commitments {
		hasher.Write(given.Commitments[i][:])
	}
	for i := range given.Proofs {
		hasher.Write(given.Proofs[i][:])
	}
	return hex.EncodeToString(hasher.Sum(nil))
}
