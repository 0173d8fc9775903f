package extapi

import (
	"bytes"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// CompleteTransaction is a transaction object of eth_signTransaction. It is
// decoded as a [PartialTransaction], and nothing of it is filled in.
type CompleteTransaction struct{ PartialTransaction }

// UnmarshalJSON decodes it. An address in lower or upper case alone has no
// checksum that could be wrong: the clients of this method send those.
func (t *CompleteTransaction) UnmarshalJSON(raw []byte) error {
	if err := t.PartialTransaction.UnmarshalJSON(raw); err != nil {
		return err
	}
	if t.Data != nil && t.Input != nil && !bytes.Equal(*t.Data, *t.Input) {
		return errors.New("data and input differ: give one of them")
	}
	t.From = checksummed(t.From)
	if t.To != nil {
		to := checksummed(*t.To)
		t.To = &to
	}
	return nil
}

// checksummed returns an address that was written without a checksum in its form
// with one.
func checksummed(address common.MixedcaseAddress) common.MixedcaseAddress {
	digits := strings.TrimPrefix(address.Original(), "0x")
	if digits == strings.ToLower(digits) || digits == strings.ToUpper(digits) {
		return common.NewMixedcaseAddress(address.Address())
	}
	return address
}

// check refuses what op-signer refuses, and what account_signTransaction would
// take for something that the caller did not write. That has further checks.
func (t *CompleteTransaction) check() error {
	caps := t.MaxFeePerGas != nil
	switch {
	case !t.HasGas:
		return refuse("gas is missing: nothing is filled in here")
	case !t.HasNonce:
		return refuse("nonce is missing: nothing is filled in here")
	case !caps && t.GasPrice == nil:
		return refuse("the fees are missing: give maxFeePerGas and maxPriorityFeePerGas, or gasPrice")
	case caps && t.GasPrice != nil:
		return refuse("gasPrice does not belong to a transaction with maxFeePerGas: give one of them")
	case caps && t.MaxPriorityFeePerGas == nil:
		return refuse("maxPriorityFeePerGas is missing: give it with maxFeePerGas")
	case caps && t.ChainID == nil:
		return refuse("chainId is missing: a transaction with maxFeePerGas is for one chain")
	case t.To == nil && t.empty():
		return refuse("a transaction without to makes a contract, and its code is missing: give to, or input")
	case t.Blobs != nil || t.Commitments != nil || t.Proofs != nil || t.hasBlobVersion:
		return refuse("blobs, commitments, proofs and blobVersion are not taken, as the answer is without them: give blobVersionedHashes, and add the sidecar to the answer")
	}
	return nil
}

// empty reports whether there is no call data.
func (t *CompleteTransaction) empty() bool {
	return (t.Data == nil || len(*t.Data) == 0) && (t.Input == nil || len(*t.Input) == 0)
}
