package e2e_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// call asks the node, and fails the test when it answers with an error.
func call(t *testing.T, c *chain, result any, method string, args ...any) {
	t.Helper()
	if err := c.node.RPC().CallContext(t.Context(), result, method, args...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

// mined waits until a transaction is in a block, and checks that it did what it
// should, is of the type that was asked for, and is signed by the account for
// this chain.
func (c *chain) mined(t *testing.T, hash common.Hash, kind uint8) *types.Receipt {
	t.Helper()
	receipt, err := c.node.WaitMined(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("transaction %s failed", hash)
	}
	tx, _, err := c.node.Client().TransactionByHash(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if tx.Type() != kind || receipt.Type != kind {
		t.Errorf("transaction of type %d, receipt of type %d, want %d", tx.Type(), receipt.Type, kind)
	}
	if tx.ChainId().Cmp(big.NewInt(devnet.ChainID)) != 0 {
		t.Errorf("chain id %d, want %d", tx.ChainId(), devnet.ChainID)
	}
	// A signer of this chain refuses unprotected signatures and those of others.
	sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(devnet.ChainID)), tx)
	if err != nil || sender != c.account {
		t.Errorf("sender %s, error %v, want %s", sender, err, c.account)
	}
	return receipt
}

// balances is what the account and the recipient own, in wei.
type balances struct{ account, recipient *big.Int }

func (c *chain) balances(t *testing.T) balances {
	t.Helper()
	return balances{account: c.balance(t, c.account), recipient: c.balance(t, common.HexToAddress(recipient))}
}

func (c *chain) balance(t *testing.T, address common.Address) *big.Int {
	t.Helper()
	balance, err := c.node.Client().BalanceAt(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return balance
}

// check compares with the balances after a transaction that moved value from
// the account to the recipient: the account paid it and the fees, to the wei.
func (b balances) check(t *testing.T, c *chain, receipt *types.Receipt, value *big.Int) {
	t.Helper()
	after := c.balances(t)
	if got := new(big.Int).Sub(after.recipient, b.recipient); got.Cmp(value) != 0 {
		t.Errorf("the recipient got %d wei, want %d", got, value)
	}
	spent := new(big.Int).Mul(receipt.EffectiveGasPrice, new(big.Int).SetUint64(receipt.GasUsed))
	spent.Add(spent, value)
	if receipt.BlobGasPrice != nil {
		spent.Add(spent, new(big.Int).Mul(receipt.BlobGasPrice, new(big.Int).SetUint64(receipt.BlobGasUsed)))
	}
	if got := new(big.Int).Sub(b.account, after.account); got.Cmp(spent) != 0 {
		t.Errorf("the account paid %d wei, want %d", got, spent)
	}
}
