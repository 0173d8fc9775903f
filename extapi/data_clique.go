package extapi

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// describeCliqueHeader fills in a block header for Clique (EIP-225). The data
// is the RLP of the header without the seal, and the digest its seal hash.
// Headers of later forks are refused: Clique ended with the merge.
func describeCliqueHeader(req *rules.Request, value any) error {
	data, err := fromHex(value)
	if err != nil {
		return err
	}
	return describeHeader(req, data)
}

// describeHeader fills in a header for Clique from its RLP, without the seal.
func describeHeader(req *rules.Request, data []byte) error {
	var header types.Header
	if err := rlp.DecodeBytes(data, &header); err != nil {
		return refuse("%v", err)
	}
	if err := checkCliqueHeader(&header); err != nil {
		return err
	}
	preimage, err := cliquePreimage(&header)
	if err != nil {
		return fmt.Errorf("encoding a clique header: %w", err)
	}

	// What is shown has room for the seal, as in Clef.
	sealed := header
	sealed.Extra = append(slices.Clone(header.Extra), make([]byte, crypto.SignatureLength)...)
	req.Kind = rules.KindData
	req.Digest = crypto.Keccak256Hash(preimage)
	req.Preimage = preimage
	req.Messages = []*apitypes.NameValueType{{
		Name:  "Clique header",
		Value: fmt.Sprintf("clique header %d [%#x]", header.Number, sealed.Hash()),
		Typ:   "clique",
	}}
	return nil
}

// checkCliqueHeader refuses members that Clique's seal hash doesn't cover and
// numbers that no header has.
func checkCliqueHeader(header *types.Header) error {
	if header.WithdrawalsHash != nil || header.BlobGasUsed != nil || header.ExcessBlobGas != nil || header.ParentBeaconRoot != nil ||
		header.RequestsHash != nil || header.BlockAccessListHash != nil || header.SlotNumber != nil {
		return refuse("clique header has members of later forks: only headers up to the base fee have a clique seal")
	}
	if err := header.SanityCheck(); err != nil {
		return refuse("clique header: %v", err)
	}
	return nil
}

// cliquePreimage returns the RLP that the seal hash is the Keccak-256 of: the
// header without the seal (EIP-225), with the base fee since London.
func cliquePreimage(header *types.Header) ([]byte, error) {
	fields := []any{
		header.ParentHash, header.UncleHash, header.Coinbase, header.Root, header.TxHash, header.ReceiptHash, header.Bloom,
		header.Difficulty, header.Number, header.GasLimit, header.GasUsed, header.Time, header.Extra, header.MixDigest, header.Nonce,
	}
	if header.BaseFee != nil {
		fields = append(fields, header.BaseFee)
	}
	return rlp.EncodeToBytes(fields)
}
