package facts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// maxUint256 is 2²⁵⁶−1.
func maxUint256() uint256.Int { return *new(uint256.Int).SetAllOne() }

// txOf returns the costs of a transaction and what it carries.
func txOf(req *rules.Request) *Tx {
	tx := req.Transaction
	t := &Tx{Transaction: tx}
	t.GasCost = product(*uint256.NewInt(tx.Gas()), saturated(tx.GasFeeCap()))
	if tx.Type() == types.BlobTxType {
		blobs := product(*uint256.NewInt(uint64(len(tx.BlobHashes()))), *uint256.NewInt(params.BlobTxBlobGasPerBlob))
		t.GasCost = sum(t.GasCost, product(blobs, saturated(tx.BlobGasFeeCap())))
	}
	t.Spend = sum(t.GasCost, saturated(tx.Value()))
	if tx.To() == nil {
		t.Create, t.InitCodeHash = true, crypto.Keccak256Hash(tx.Data())
	}
	for _, authorization := range tx.SetCodeAuthorizations() {
		d := Delegate{Contract: authorization.Address, AnyChain: authorization.ChainID.IsZero()}
		if authority, err := authorization.Authority(); err == nil {
			d.Authority = authority
		}
		t.Delegates = append(t.Delegates, d)
	}
	return t
}

// callOf is what a transaction does, undecoded.
func callOf(req *rules.Request) Action {
	tx := req.Transaction
	return Action{From: req.Account.Address, To: tx.To(), Value: saturated(tx.Value()), Data: tx.Data()}
}

// saturated converts a number, which stops at 2²⁵⁶−1. What is negative or absent
// is 0.
func saturated(n *big.Int) uint256.Int {
	if n == nil || n.Sign() < 0 {
		return uint256.Int{}
	}
	value, overflow := uint256.FromBig(n)
	if overflow {
		return maxUint256()
	}
	return *value
}

// sum adds, and stops at 2²⁵⁶−1.
func sum(a, b uint256.Int) uint256.Int {
	total, overflow := new(uint256.Int).AddOverflow(&a, &b)
	if overflow {
		return maxUint256()
	}
	return *total
}

// product multiplies, and stops at 2²⁵⁶−1.
func product(a, b uint256.Int) uint256.Int {
	result, overflow := new(uint256.Int).MulOverflow(&a, &b)
	if overflow {
		return maxUint256()
	}
	return *result
}
