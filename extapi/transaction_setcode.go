package extapi

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// maxAuthorizations bounds an authorization list: each costs a recovery here
// and 25,000 gas on the chain.
const maxAuthorizations = 256

// decodeAuthorizations decodes an authorizationList (EIP-7702) strictly; nil if
// it is absent. Clef drops the list and signs a transaction without it.
func decodeAuthorizations(raw json.RawMessage) ([]types.SetCodeAuthorization, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] == '[' { // counted first: millions of entries are not to take memory
		count := 0
		for range elements(raw) {
			if count++; count > maxAuthorizations {
				return nil, fmt.Errorf("authorizationList has more than %d entries, which is the most that is signed", maxAuthorizations)
			}
		}
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("reading authorizationList: %w", err)
	}
	list := make([]types.SetCodeAuthorization, len(entries))
	for i, entry := range entries {
		if err := decodeAuthorization(entry, &list[i]); err != nil {
			return nil, fmt.Errorf("authorizationList[%d]: %w", i, err)
		}
	}
	return list, nil
}

// decodeAuthorization decodes one entry. Some libraries send v beside yParity;
// it is accepted where it says the same.
func decodeAuthorization(raw json.RawMessage, into *types.SetCodeAuthorization) error {
	found, err := strictMembers(raw, "chainId", "address", "nonce", "yParity", "r", "s", "v")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return err
	}
	if isNull(found["v"]) {
		return nil
	}
	var v hexutil.Uint64
	if err := json.Unmarshal(found["v"], &v); err != nil {
		return fmt.Errorf("reading v: %w", err)
	}
	if parity := uint64(into.V); uint64(v) != parity && uint64(v) != parity+27 {
		return fmt.Errorf("v %d does not agree with yParity %d: remove it", uint64(v), parity)
	}
	return nil
}

// checkSetCode refuses members that don't belong to a set-code transaction.
func (t *TransactionArgs) checkSetCode() error {
	switch {
	case len(t.Authorizations) == 0:
		return refuse("authorizationList is empty: such a transaction is never mined")
	case t.To == nil:
		return refuse("transaction recipient must be set for set-code transactions")
	case t.Blobs != nil || t.BlobHashes != nil:
		return refuse("authorizationList and blobs don't belong together: send two transactions")
	case t.MaxFeePerGas == nil:
		return refuse("maxFeePerGas is missing from a transaction with an authorizationList")
	}
	return nil
}

// checkAuthorizations refuses authorizations that could never take effect: the
// chain skips them without a word, and the delegation would silently be gone.
func (t *TransactionArgs) checkAuthorizations(chain *big.Int) error {
	for i := range t.Authorizations {
		authorization := &t.Authorizations[i]
		if id := authorization.ChainID.ToBig(); id.Sign() != 0 && id.Cmp(chain) != 0 {
			return refuse("authorizationList[%d] is for chain %v, the transaction for chain %v", i, id, chain)
		}
		if authorization.Nonce == math.MaxUint64 {
			return refuse("authorizationList[%d] has nonce %d, which is too large", i, authorization.Nonce)
		}
		if _, err := authorization.Authority(); err != nil {
			return refuse("authorizationList[%d] has no valid signature: %v", i, err)
		}
	}
	return nil
}

// setCodeTransaction makes a set-code transaction of checked arguments.
// apitypes knows none.
func (t *TransactionArgs) setCodeTransaction(chain *big.Int) (*types.Transaction, error) {
	var (
		data types.SetCodeTx
		err  error
	)
	for _, number := range []struct {
		into **uint256.Int
		from *big.Int
	}{
		{&data.ChainID, chain},
		{&data.GasFeeCap, (*big.Int)(t.MaxFeePerGas)},
		{&data.GasTipCap, (*big.Int)(t.MaxPriorityFeePerGas)},
		{&data.Value, (*big.Int)(&t.Value)},
	} {
		if *number.into, err = word(number.from); err != nil {
			return nil, err
		}
	}
	data.Nonce = uint64(t.Nonce)
	data.Gas = uint64(t.Gas)
	data.To = t.To.Address()
	if t.Data != nil {
		data.Data = *t.Data
	}
	data.AccessList = types.AccessList{}
	if t.AccessList != nil {
		data.AccessList = *t.AccessList
	}
	data.AuthList = t.Authorizations
	return types.NewTx(&data), nil
}

// word converts a number that may be absent to 256 bits.
func word(number *big.Int) (*uint256.Int, error) {
	if number == nil {
		return new(uint256.Int), nil
	}
	converted, overflow := uint256.FromBig(number)
	if overflow || number.Sign() < 0 {
		return nil, refuse("%v does not fit 256 bits", number)
	}
	return converted, nil
}
