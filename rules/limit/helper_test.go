package limit_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// Who takes part.
func account() common.Address {
	return common.HexToAddress("0x1111111111111111111111111111111111111111")
}

func usdc() common.Address { return common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48") }

func dai() common.Address { return common.HexToAddress("0x6b175474e89094c44da98b954eedeac495271d0f") }

func alice() common.Address { return common.HexToAddress("0x4444444444444444444444444444444444444444") }

func bob() common.Address { return common.HexToAddress("0x5555555555555555555555555555555555555555") }

func router() common.Address {
	return common.HexToAddress("0x7777777777777777777777777777777777777777")
}

func safe() common.Address { return common.HexToAddress("0x8888888888888888888888888888888888888888") }

// How counters name them.
const (
	accountText = "0x1111111111111111111111111111111111111111"
	usdcText    = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
	daiText     = "0x6b175474e89094c44da98b954eedeac495271d0f"
	aliceText   = "0x4444444444444444444444444444444444444444"
	bobText     = "0x5555555555555555555555555555555555555555"
	routerText  = "0x7777777777777777777777777777777777777777"
)

// inPlace is the slot of what has the digest of 1 and 2, and no nonce.
func inPlace() string { return accountText + "/" + common.Hash{1, 2}.Hex() }

const place = "1/" + accountText + "/7" // of the transactions

// transaction is the facts of one with nonce 7 and a gas cost of 100,000.
func transaction(to *common.Address, wei int64, data []byte) *facts.Facts {
	return factsOf(types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 7, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 50_000, To: to, Value: big.NewInt(wei), Data: data,
	}))
}

func factsOf(tx *types.Transaction) *facts.Facts {
	return facts.Of(&rules.Request{
		Kind: rules.KindTransaction, Account: rules.Account{Address: account()}, Principal: "batcher.prod",
		ChainID: big.NewInt(1), Transaction: tx, Digest: common.Hash{1, 2},
	}, time.Time{})
}

func calls(t testing.TB, to common.Address, signature string, arguments ...any) *facts.Facts {
	t.Helper()
	return transaction(&to, 0, calldatatest.Pack(t, signature, arguments...))
}

// multiSend packs calls for Safe's batch.
func multiSend(t testing.TB, calls ...facts.Action) []byte {
	t.Helper()
	var packed []byte
	for _, c := range calls {
		value, length := c.Value.Bytes32(), uint256.NewInt(uint64(len(c.Data))).Bytes32()
		operation := byte(0)
		if c.Delegate {
			operation = 1
		}
		packed = append(packed, operation)
		packed = append(packed, c.To[:]...)
		packed = append(append(append(packed, value[:]...), length[:]...), c.Data...)
	}
	return calldatatest.Pack(t, "multiSend(bytes)", packed)
}

func units(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

func to(a common.Address) *common.Address { return &a }

func small(n uint64) uint256.Int { return *uint256.NewInt(n) }

func most() uint256.Int { return *new(uint256.Int).SetAllOne() }

// limitOf is one of 1000 in a day.
func limitOf(measure limit.Measure, per ...limit.Per) limit.Limit {
	return limit.Limit{ID: "daily", Measure: measure, Max: small(1000), Window: 24 * time.Hour, Per: per}
}

// want are charges, by counter.
type want map[string]uint256.Int

// check measures a request, with the limit prepared and not.
func check(t *testing.T, l limit.Limit, f *facts.Facts, slot string, expected want) {
	t.Helper()
	if err := l.Prepare(); err != nil {
		t.Fatalf("preparing: %v", err)
	}
	charges, err := l.Charges(f)
	if err != nil {
		t.Fatal(err)
	}
	got := make(want)
	for _, charge := range charges {
		if charge.Slot != slot || charge.Cap != l.Max || charge.Window != l.Window || charge.Limit != l.ID {
			t.Errorf("%+v", charge)
		}
		if _, twice := got[charge.Counter]; twice {
			t.Errorf("%s twice", charge.Counter)
		}
		got[charge.Counter] = charge.Amount
	}
	for counter, amount := range expected {
		if have := got[counter]; have != amount {
			t.Errorf("%s: %s, want %s", counter, have.Dec(), amount.Dec())
		}
	}
	if len(got) != len(expected) {
		t.Errorf("%d charges, want %d: %v", len(got), len(expected), got)
	}
	if len(charges) > 0 {
		if err := rules.CheckCharges(charges); err != nil {
			t.Error(err)
		}
	}
}

// fails checks that a request can't be measured, and why.
func fails(t *testing.T, l limit.Limit, f *facts.Facts, why string) {
	t.Helper()
	charges, err := l.Charges(f)
	if err == nil || len(charges) > 0 || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), l.ID) {
		t.Errorf("%v, %v; want an error about %q", charges, err, why)
	}
}
