package extapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// transactionMembers are the members of a transaction object: those of Clef,
// the type, and the authorizations of EIP-7702.
var transactionMembers = []string{
	"from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "nonce",
	"data", "input", "accessList", "chainId",
	"maxFeePerBlobGas", "blobVersionedHashes", "blobVersion", "blobs", "commitments", "proofs",
	"type", "authorizationList",
}

// TransactionArgs is the first parameter of account_signTransaction: Clef's
// members with a type, which must agree with them, and an authorization list.
// Member names are exact; unknown and duplicate members are refused, and so
// is a request without nonce or gas, which Clef signs as zero.
type TransactionArgs struct {
	apitypes.SendTxArgs
	Type           *hexutil.Uint64              // as written; nil: absent
	Authorizations []types.SetCodeAuthorization // nil: absent

	decoded        bool // by UnmarshalJSON, so nonce and gas were there
	hasBlobVersion bool // blobVersion was written
}

// UnmarshalJSON decodes a transaction object. Values are decoded by Clef's own
// type, so that the errors are Clef's.
func (t *TransactionArgs) UnmarshalJSON(raw []byte) error {
	found, err := strictMembers(raw, transactionMembers...)
	if err != nil {
		return err
	}
	if err := t.decode(raw, found); err != nil {
		return err
	}
	for _, name := range []string{"nonce", "gas"} {
		if _, there := found[name]; !there {
			return fmt.Errorf("missing member %q: an absent one would be signed as 0", name)
		}
	}
	t.decoded = true
	return nil
}

// decode fills in the members that were found.
func (t *TransactionArgs) decode(raw []byte, found map[string]json.RawMessage) (err error) {
	if err := json.Unmarshal(raw, &t.SendTxArgs); err != nil {
		return err // in the words of encoding/json, which clients know
	}
	if err := checkAccessList(found["accessList"]); err != nil {
		return err
	}
	if raw := found["type"]; !isNull(raw) {
		if err := json.Unmarshal(raw, &t.Type); err != nil {
			return fmt.Errorf("reading type: %w", err)
		}
	}
	if t.Authorizations, err = decodeAuthorizations(found["authorizationList"]); err != nil {
		return err
	}
	t.hasBlobVersion = !isNull(found["blobVersion"])
	return nil
}

// checkAccessList holds the entries of an access list to their exact members.
// The list has been decoded before, so its form is known.
func checkAccessList(raw json.RawMessage) error {
	if isNull(raw) {
		return nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return err
	}
	for i, entry := range entries {
		if err := checkMembers(entry, "address", "storageKeys"); err != nil {
			return fmt.Errorf("accessList[%d]: %w", i, err)
		}
	}
	return nil
}

// txType returns the EIP-2718 type that the members make: Clef's choice, with
// set-code transactions before it.
func (t *TransactionArgs) txType() uint8 {
	switch {
	case t.Authorizations != nil:
		return types.SetCodeTxType
	case t.BlobHashes != nil || t.Blobs != nil:
		return types.BlobTxType
	case t.MaxFeePerGas != nil:
		return types.DynamicFeeTxType
	case t.AccessList != nil:
		return types.AccessListTxType
	default:
		return types.LegacyTxType
	}
}

// transaction makes the unsigned transaction of checked arguments. The chain id
// is always set, so that a legacy transaction is protected (EIP-155).
func (t *TransactionArgs) transaction(chain *big.Int) (*types.Transaction, error) {
	if t.txType() == types.SetCodeTxType {
		return t.setCodeTransaction(chain)
	}
	args := t.SendTxArgs
	args.ChainID = (*hexutil.Big)(chain)
	tx, err := args.ToTransaction()
	if err != nil {
		return nil, fmt.Errorf("making the transaction: %w", err)
	}
	if tx.Type() != t.txType() {
		return nil, errors.New("the transaction is of another type than was checked")
	}
	return tx, nil
}
