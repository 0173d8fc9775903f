package keyvault

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/backend"
)

// Transactor returns the options with which go-ethereum's contract bindings
// sign transactions of an account of the vault, for one chain. Signing runs
// under the options' Context. No rule is asked: the caller decides.
func (v *Vault) Transactor(address common.Address, chainID *big.Int) (*bind.TransactOpts, error) {
	if chainID == nil || chainID.Sign() <= 0 {
		return nil, errors.New("a transactor needs a chain id above 0")
	}
	var account backend.Account
	for _, e := range v.held.Load().entries {
		if e.account.Address == address {
			account = e.account.Clone()
		}
	}
	if account.Address != address || account.Version == "" {
		return nil, fmt.Errorf("address %s in vault %s: %w", address, v.cfg.Name, backend.ErrUnknownAccount)
	}
	chainID = new(big.Int).Set(chainID)
	signer := types.LatestSignerForChainID(chainID)
	opts := &bind.TransactOpts{From: address, Context: context.Background()}
	opts.Signer = func(from common.Address, tx *types.Transaction) (*types.Transaction, error) {
		if from != address {
			return nil, bind.ErrNotAuthorized
		}
		// Typed transactions name their chain; nothing is signed for another.
		if tx.Type() != types.LegacyTxType && tx.ChainId().Cmp(chainID) != 0 {
			return nil, fmt.Errorf("transaction of chain %s, want %s: %w", tx.ChainId(), chainID, types.ErrInvalidChainId)
		}
		ctx := opts.Context
		if ctx == nil {
			ctx = context.Background()
		}
		signed, err := v.Sign(ctx, account, signer.Hash(tx))
		if err != nil {
			return nil, err
		}
		return tx.WithSignature(signer, signed.Signature[:])
	}
	return opts, nil
}
