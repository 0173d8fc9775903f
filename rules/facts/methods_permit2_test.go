package facts

import (
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestPermit2: what each way to take tokens by Permit2 takes, from whom and for
// whom.
func TestPermit2(t *testing.T) {
	t.Parallel()
	type pair struct {
		Name0 common.Address
		Name1 *big.Int
	}
	type permit struct {
		Name0        pair
		Name1, Name2 *big.Int
	}
	type permits struct {
		Name0        []pair
		Name1, Name2 *big.Int
	}
	type line struct {
		Name0, Name1 common.Address
		Name2        *big.Int
		Name3        common.Address
	}
	const (
		one, many = "(((address,uint256),uint256,uint256),(address,uint256),address,", "(((address,uint256)[],uint256,uint256),(address,uint256)[],address,"
		witness   = "bytes32,string,bytes)"
	)
	five, seven, zero := big.NewInt(5), big.NewInt(7), new(big.Int)
	signed, asked := permit{pair{token, seven}, zero, zero}, pair{payee, five}
	type details struct {
		Name0               common.Address
		Name1, Name2, Name3 *big.Int
	}
	type allowances struct {
		Name0 []details
		Name1 common.Address
		Name2 *big.Int
	}
	type allowed struct {
		Name0 details
		Name1 common.Address
		Name2 *big.Int
	}
	deadline, nine := number(9), big.NewInt(9)
	permitted := Effect{Kind: Permit, Token: token, Owner: other, Recipient: payee, Amount: number(5), Deadline: &deadline}
	another := Effect{Kind: Permit, Token: sender, Owner: other, Recipient: payee, Amount: number(7), Deadline: &deadline}
	const lines = "(address,uint160,uint48,uint48)"
	all, both := permits{[]pair{{token, seven}, {payee, seven}}, zero, zero}, []pair{{payee, five}, {sender, seven}}
	took := Effect{Kind: Transfer, Token: token, Owner: other, Recipient: payee, Amount: number(5)}
	second := Effect{Kind: Transfer, Token: payee, Owner: other, Recipient: sender, Amount: number(7)}
	for name, tt := range map[string]struct {
		data []byte
		want []Effect
	}{
		"one":               {calldatatest.Pack(t, "permitTransferFrom"+one+"bytes)", signed, asked, other, []byte{}), []Effect{took}},
		"many":              {calldatatest.Pack(t, "permitTransferFrom"+many+"bytes)", all, both, other, []byte{}), []Effect{took, second}},
		"one, a witness":    {calldatatest.Pack(t, "permitWitnessTransferFrom"+one+witness, signed, asked, other, [32]byte{1}, "Order order)", []byte{}), []Effect{took}},
		"many, a witness":   {calldatatest.Pack(t, "permitWitnessTransferFrom"+many+witness, all, both, other, [32]byte{1}, "Order order)", []byte{}), []Effect{took, second}},
		"fewer are asked":   {calldatatest.Pack(t, "permitTransferFrom"+many+"bytes)", all, both[:1], other, []byte{}), []Effect{took, {Kind: Transfer, Token: payee, Owner: other, Amount: maxUint256(), Unlimited: true}}},
		"more are asked":    {calldatatest.Pack(t, "permitTransferFrom"+many+"bytes)", permits{all.Name0[:1], zero, zero}, both, other, []byte{}), []Effect{took, {Kind: Transfer, Owner: other, Recipient: sender, Amount: number(7)}}},
		"by allowances":     {calldatatest.Pack(t, "transferFrom((address,address,uint160,address)[])", []line{{other, payee, five, token}, {other, sender, seven, payee}}), []Effect{took, second}},
		"an allowance":      {calldatatest.Pack(t, "permit(address,("+lines+",address,uint256),bytes)", other, allowed{details{token, five, nine, zero}, payee, nine}, []byte{}), []Effect{permitted}},
		"allowances":        {calldatatest.Pack(t, "permit(address,("+lines+"[],address,uint256),bytes)", other, allowances{[]details{{token, five, nine, zero}, {sender, seven, nine, zero}}, payee, nine}, []byte{}), []Effect{permitted, another}},
		"without allowance": {calldatatest.Pack(t, "lockdown((address,address)[])", []struct{ Name0, Name1 common.Address }{{token, payee}}), nil},
	} {
		to := permit2Contract()
		f := Of(call(&to, 0, tt.data), noon())
		if len(f.Actions) != 1 || f.Actions[0].Decoding != Known || f.Actions[0].Opaque != "" {
			t.Fatalf("%s: %+v", name, f.Actions)
		}
		if got := f.Actions[0].Effects; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, tt.want)
		}
	}
}
