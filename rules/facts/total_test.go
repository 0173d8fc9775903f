package facts

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestTotal: of one call, an effect's total is that of its token in the call.
func TestTotal(t *testing.T) {
	t.Parallel()
	type line struct {
		Name0, Name1 common.Address
		Name2        *big.Int
		Name3        common.Address
	}
	const signature = "transferFrom((address,address,uint160,address)[])"
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 160), big.NewInt(1))
	batch := calldatatest.Pack(t, signature, []line{
		{sender, payee, big.NewInt(5), token}, {sender, other, big.NewInt(7), token}, {sender, payee, big.NewInt(9), other}, {sender, payee, most, payee}, {sender, payee, big.NewInt(1), payee},
	})
	one := calldatatest.Pack(t, signature, []line{{sender, payee, big.NewInt(5), token}})
	to := permit2Contract()
	inner := calldatatest.Pack(t, "multicall(bytes[])", [][]byte{batch, one})
	for name, tt := range map[string]struct {
		data []byte
		at   int
		want []string // "all" for what has no bound
	}{
		"a batch":        {batch, 0, []string{"12", "12", "9", "all", "all"}},
		"alone":          {one, 0, []string{"5"}},
		"a batch within": {inner, 1, []string{"12", "12", "9", "all", "all"}},
		"one within":     {inner, 2, []string{"5"}},
	} {
		f := Of(call(&to, 0, tt.data), noon())
		a := &f.Actions[tt.at]
		if len(a.Effects) != len(tt.want) {
			t.Fatalf("%s: %+v", name, a)
		}
		for i := range a.Effects {
			amount, unlimited := f.Total(a, &a.Effects[i])
			got := amount.Dec()
			if unlimited {
				got = "all"
			}
			if got != tt.want[i] {
				t.Errorf("%s: effect %d: %s, want %s", name, i, got, tt.want[i])
			}
		}
	}
}

// TestTotalStops at what has no bound.
func TestTotalStops(t *testing.T) {
	t.Parallel()
	half := number(0)
	half.SetUint64(1).Lsh(&half, 255)
	effect := Effect{Token: token, Amount: half}
	f := &Facts{Actions: []Action{{Effects: []Effect{effect}}, {Effects: []Effect{effect}}}}
	f.totals = totalsOf(f.Actions)
	if amount, unlimited := f.Total(&f.Actions[0], &f.Actions[0].Effects[0]); !unlimited || amount != maxUint256() {
		t.Errorf("%s, %t", amount.Dec(), unlimited)
	}
}
