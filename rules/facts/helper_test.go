package facts

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

var (
	sender = common.HexToAddress("0x1111111111111111111111111111111111111111")
	token  = common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
	payee  = common.HexToAddress("0x4444444444444444444444444444444444444444")
	other  = common.HexToAddress("0x5555555555555555555555555555555555555555")
)

// noon is when decisions are made in tests.
func noon() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// call is a request for a transaction of the sender.
func call(to *common.Address, wei int64, data []byte) *rules.Request {
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 7, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2e9), Gas: 21000, To: to, Value: big.NewInt(wei), Data: data,
	})
	return &rules.Request{Kind: rules.KindTransaction, Account: rules.Account{Address: sender}, ChainID: big.NewInt(1), Transaction: tx}
}

func number(n uint64) uint256.Int { return *uint256.NewInt(n) }
