package keyvault

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestTransactor(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	from, chainID := addressOf(key), big.NewInt(5)
	opts, err := v.Transactor(from, chainID)
	if err != nil {
		t.Fatal(err)
	}
	to := common.Address{1}
	for name, inner := range map[string]types.TxData{
		"legacy":      &types.LegacyTx{To: &to, Gas: 21000, GasPrice: big.NewInt(1)},
		"access list": &types.AccessListTx{ChainID: chainID, To: &to, Gas: 21000, GasPrice: big.NewInt(1)},
		"dynamic fee": &types.DynamicFeeTx{ChainID: chainID, To: &to, Gas: 21000, GasFeeCap: big.NewInt(1)},
	} {
		signed, err := opts.Signer(from, types.NewTx(inner))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sender, err := types.Sender(types.LatestSignerForChainID(chainID), signed); err != nil || sender != from {
			t.Errorf("%s: sender %s, %v", name, sender, err)
		}
	}
	tx := types.NewTx(&types.LegacyTx{To: &to})
	if _, err := opts.Signer(common.Address{9}, tx); !errors.Is(err, bind.ErrNotAuthorized) {
		t.Errorf("another sender: %v", err)
	}
	s.ResetCounts()
	if _, err := opts.Signer(from, types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), To: &to})); !errors.Is(err, types.ErrInvalidChainId) || s.Count(emulator.OpSign) != 0 {
		t.Errorf("a transaction of another chain: %v, the vault was asked %d times", err, s.Count(emulator.OpSign))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	opts.Context = ctx
	if _, err := opts.Signer(from, tx); asBackendError(t, err).Kind != backend.KindCanceled {
		t.Errorf("the context is not obeyed: %v", err)
	}
	for _, unknown := range []common.Address{{}, {9}} {
		if _, err := v.Transactor(unknown, chainID); !errors.Is(err, backend.ErrUnknownAccount) {
			t.Errorf("got %v", err)
		}
	}
	for _, chainID := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1)} {
		if _, err := v.Transactor(from, chainID); err == nil {
			t.Errorf("chain id %v was accepted", chainID)
		}
	}
}
