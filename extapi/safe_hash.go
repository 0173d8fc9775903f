package extapi

import (
	"context"
	"encoding/json"
	stdmath "math"
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// SafeTxFields returns the type of a Safe transaction, SafeTx, as the Safe
// contract from version 1.0 on hashes it.
func SafeTxFields() []apitypes.Type {
	return []apitypes.Type{
		{Name: "to", Type: "address"},
		{Name: "value", Type: "uint256"},
		{Name: "data", Type: "bytes"},
		{Name: "operation", Type: "uint8"},
		{Name: "safeTxGas", Type: "uint256"},
		{Name: "baseGas", Type: "uint256"},
		{Name: "gasPrice", Type: "uint256"},
		{Name: "gasToken", Type: "address"},
		{Name: "refundReceiver", Type: "address"},
		{Name: "nonce", Type: "uint256"},
	}
}

// requiredSafeMembers are the members without which a request is a mistake.
var requiredSafeMembers = []string{"safe", "to", "nonce", "safeTxHash"}

// checkSafeMembers checks the names of a Safe transaction's members, and that
// no number is too long to be read cheaply.
func checkSafeMembers(members map[string]json.RawMessage) error {
	if members == nil {
		return nil // no object: decoding says so
	}
	for _, name := range sortedNames(members) {
		for _, known := range safeMembers {
			if name != known && strings.EqualFold(name, known) {
				return refuse("unknown member %q: it is spelled %q", clip(name), known)
			}
		}
	}
	for _, name := range requiredSafeMembers {
		if isNull(members[name]) {
			return refuse("safe transaction lacks the member %q", name)
		}
	}
	const longest = maxIntegerText + len(`""`)
	for _, name := range []string{"value", "gasPrice", "baseGas", "safeTxGas", "nonce", "chainId", "operation"} {
		if len(members[name]) > longest {
			return refuse("%s has more than 256 bits", name)
		}
	}
	return nil
}

// check refuses numbers that have no meaning for a Safe.
func (tx *GnosisSafeTx) check() error {
	if tx.Operation > 1 {
		return refuse("operation %d is unknown: 0 is CALL, 1 is DELEGATECALL", tx.Operation)
	}
	for _, number := range []struct {
		name  string
		value *big.Int
	}{
		{"value", (*big.Int)(&tx.Value)},
		{"gasPrice", (*big.Int)(&tx.GasPrice)},
		{"baseGas", &tx.BaseGas},
		{"safeTxGas", &tx.SafeTxGas},
		{"nonce", &tx.Nonce},
	} {
		if _, err := inRange("uint256", number.value); err != nil {
			return refuse("%s: %v", number.name, err)
		}
	}
	return nil
}

// call returns the call that the Safe will make, for validation only: the gas
// and nonce of the inner call may exceed what a transaction can hold.
func (tx *GnosisSafeTx) call() *apitypes.SendTxArgs {
	to := tx.To
	return &apitypes.SendTxArgs{
		From:     tx.Safe,
		To:       &to,
		Gas:      hexutil.Uint64(saturated(&tx.SafeTxGas)),
		GasPrice: (*hexutil.Big)(&tx.GasPrice),
		Value:    hexutil.Big(tx.Value),
		Nonce:    hexutil.Uint64(saturated(&tx.Nonce)),
		Data:     tx.Data,
		ChainID:  (*hexutil.Big)(tx.ChainID),
	}
}

// saturated returns a number, or the largest of 64 bits.
func saturated(number *big.Int) uint64 {
	if !number.IsUint64() {
		return stdmath.MaxUint64
	}
	return number.Uint64()
}

// document returns the EIP-712 document of a Safe transaction. Contracts before
// version 1.3 have no chain id in their domain.
func (tx *GnosisSafeTx) document() *TypedData {
	domain := map[string]any{"verifyingContract": tx.Safe.Address().Hex()}
	domainFields := []apitypes.Type{{Name: "verifyingContract", Type: "address"}}
	if tx.ChainID != nil {
		domain["chainId"] = tx.ChainID
		domainFields = append([]apitypes.Type{{Name: "chainId", Type: "uint256"}}, domainFields...)
	}
	data := "0x"
	if tx.Data != nil {
		data = tx.Data.String()
	}
	return &TypedData{
		types:       apitypes.Types{domainType: domainFields, "SafeTx": SafeTxFields()},
		primaryType: "SafeTx",
		domain:      domain,
		message: map[string]any{
			"to":             tx.To.Address().Hex(),
			"value":          tx.Value.String(),
			"data":           data,
			"operation":      strconv.Itoa(int(tx.Operation)),
			"safeTxGas":      tx.SafeTxGas.String(),
			"baseGas":        tx.BaseGas.String(),
			"gasPrice":       tx.GasPrice.String(),
			"gasToken":       tx.GasToken.Hex(),
			"refundReceiver": tx.RefundReceiver.Hex(),
			"nonce":          tx.Nonce.String(),
		},
	}
}

// matchSafeHash returns the document whose digest is the safeTxHash that the
// caller names. A chain id that is named must be one of the signer's. Where
// none is named, the domain without a chain is tried first and then the
// signer's chains, as in Clef; the one that matches is put into the answer.
func (a *Account) matchSafeHash(tx *GnosisSafeTx) (*encodedDocument, error) {
	candidates := []*math.HexOrDecimal256{tx.ChainID}
	if tx.ChainID != nil {
		if _, err := a.chains.choose((*big.Int)(tx.ChainID)); err != nil {
			return nil, err
		}
	} else {
		for _, id := range a.chains {
			candidates = append(candidates, (*math.HexOrDecimal256)(new(big.Int).Set(id)))
		}
	}
	var digest common.Hash
	for _, chainID := range candidates {
		tx.ChainID = chainID
		encoded, err := encodeTypedData(tx.document())
		if err != nil {
			return nil, err
		}
		if digest = encoded.digest; digest == tx.InputExpHash {
			return encoded, nil
		}
	}
	return nil, refuse("mismatched safeTxHash; have %#x want %#x", digest[:], tx.InputExpHash[:])
}

// validateCall validates the call that the Safe will make. Warnings refuse it
// unless the signer is advanced.
func (a *Account) validateCall(ctx context.Context, selector *string, args *apitypes.SendTxArgs) ([]apitypes.ValidationInfo, *rules.Call, error) {
	findings, call, err := a.validator.examine(PrincipalOf(ctx), selector, args)
	if err != nil || a.advanced {
		return findings, call, err
	}
	return findings, call, warnings(findings)
}
