package facts

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// Structs as the encoder knows them: by the place of their members.
type (
	minimalRequest struct {
		Name0, Name1        common.Address
		Name2, Name3, Name4 *big.Int
		Name5               []byte
	}
	timedRequest struct {
		Name0, Name1        common.Address
		Name2, Name3, Name4 *big.Int
		Name5, Name6        []byte
	}
	gsnRequest struct {
		Name0, Name1        common.Address
		Name2, Name3, Name4 *big.Int
		Name5               []byte
		Name6               *big.Int
	}
	operation06 struct {
		Name0                             common.Address
		Name1                             *big.Int
		Name2, Name3                      []byte
		Name4, Name5, Name6, Name7, Name8 *big.Int
		Name9, Name10                     []byte
	}
	operation07 struct {
		Name0        common.Address
		Name1        *big.Int
		Name2, Name3 []byte
		Name4        [32]byte
		Name5        *big.Int
		Name6        [32]byte
		Name7, Name8 []byte
	}
	aggregated06 struct {
		Name0 []operation06
		Name1 common.Address
		Name2 []byte
	}
	aggregated07 struct {
		Name0 []operation07
		Name1 common.Address
		Name2 []byte
	}
)

// passedOn is a call within each kind of call that passes on what others have
// signed, and in whose name it is made then.
func passedOn(t testing.TB, data []byte) map[string]wrapping {
	t.Helper()
	zero := new(big.Int)
	none, hash := []byte{}, [32]byte{}
	inner := calldatatest.Pack(t, "execute(address,uint256,bytes)", token, zero, data)
	old := []operation06{{other, zero, none, inner, zero, zero, zero, zero, zero, none, none}}
	packed := []operation07{{other, zero, none, inner, hash, zero, hash, none, none}}
	const (
		operation = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
		before    = "(address,uint256,bytes,bytes,uint256,uint256,uint256,uint256,uint256,bytes,bytes)"
		timed     = "(address,address,uint256,uint256,uint48,bytes,bytes)"
	)
	return map[string]wrapping{
		"MinimalForwarder": {calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes),bytes)",
			minimalRequest{payee, token, zero, zero, zero, data}, none), payee},
		"ERC2771Forwarder": {calldatatest.Pack(t, "execute("+timed+")", timedRequest{payee, token, zero, zero, zero, data, none}), payee},
		"ERC2771Forwarder, many": {calldatatest.Pack(t, "executeBatch("+timed+"[],address)",
			[]timedRequest{{other, payee, zero, zero, zero, none, none}, {payee, token, zero, zero, zero, data, none}}, common.Address{}), payee},
		"GSN": {calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes,uint256),bytes32,bytes32,bytes,bytes)",
			gsnRequest{payee, token, zero, zero, zero, data, zero}, hash, hash, none, none), payee},
		"a meta-transaction": {calldatatest.Pack(t, "executeMetaTransaction(address,bytes,bytes32,bytes32,uint8)", payee, data, hash, hash, uint8(27)), payee},

		"handleOps 0.6":           {calldatatest.Pack(t, "handleOps("+before+"[],address)", old, payee), other},
		"handleOps 0.7":           {calldatatest.Pack(t, "handleOps("+operation+"[],address)", packed, payee), other},
		"handleAggregatedOps 0.6": {calldatatest.Pack(t, "handleAggregatedOps(("+before+"[],address,bytes)[],address)", []aggregated06{{nil, payee, none}, {old, payee, none}}, payee), other},
		"handleAggregatedOps 0.7": {calldatatest.Pack(t, "handleAggregatedOps(("+operation+"[],address,bytes)[],address)", []aggregated07{{packed, payee, none}}, payee), other},
	}
}

// TestForwardedCallsAreHidden where they may be others than they seem.
func TestForwardedCallsAreHidden(t *testing.T) {
	t.Parallel()
	zero := new(big.Int)
	none, hash := []byte{}, [32]byte{}
	transfer := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	const operation = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
	operate := func(sender common.Address, code, data []byte) []byte {
		return calldatatest.Pack(t, "handleOps("+operation+"[],address)", []operation07{{sender, zero, code, data, hash, zero, hash, none, none}}, payee)
	}
	batch := calldatatest.Pack(t, "executeBatch((address,address,uint256,uint256,uint48,bytes,bytes)[],address)", []timedRequest{{other, token, zero, zero, zero, transfer, none}}, payee)
	executeUserOp := selectorOf(t, "executeUserOp("+operation+",bytes32)")
	for name, tt := range map[string]struct {
		data []byte
		wei  int64
		want string // of what is said to be hidden
	}{
		"nothing":                           {batch, 0, ""},
		"ether goes to a receiver":          {batch, 1, "receiver"},
		"an operation":                      {operate(other, none, transfer), 0, ""},
		"an account is made":                {operate(other, []byte{1}, transfer), 0, "deploys"},
		"executeUserOp in an operation":     {operate(other, none, append(executeUserOp, transfer...)), 0, "do not fit"},
		"executeUserOp":                     {calldatatest.Pack(t, "executeUserOp("+operation+",bytes32)", operation07{other, zero, none, transfer, hash, zero, hash, none, none}, hash), 0, "meaning of its own"},
		"a module, an operation of no kind": {calldatatest.Pack(t, "executeUserOp(address,uint256,bytes,uint8)", token, zero, transfer, uint8(2)), 0, "neither"},
		"a module, a delegate call":         {calldatatest.Pack(t, "executeUserOp(address,uint256,bytes,uint8)", token, zero, transfer, uint8(1)), 0, "foreign code"},
		"an executor, a mode of no kind":    {calldatatest.Pack(t, "executeFromExecutor(bytes32,bytes)", [32]byte{7}, transfer), 0, "not known"},
		"cut short":                         {batch[:len(batch)-32], 0, "do not fit"},
	} {
		to := payee
		got := ""
		for _, a := range Of(call(&to, tt.wei, tt.data), noon()).Actions {
			got += a.Opaque
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q is hidden, want %q", name, got, tt.want)
		}
	}
}

// TestForwarded: what is passed on is that of who signed it, unless that is who
// sends it or the forwarder.
func TestForwarded(t *testing.T) {
	t.Parallel()
	forwarder := other
	for name, tt := range map[string]struct {
		from common.Address
		want bool
	}{"of another": {payee, true}, "of who sends it": {sender, false}, "of the forwarder": {forwarder, false}} {
		zero := new(big.Int)
		data := calldatatest.Pack(t, "multicall(bytes[])", [][]byte{calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))})
		f := Of(call(&forwarder, 0, calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes),bytes)",
			minimalRequest{tt.from, token, big.NewInt(3), zero, zero, data}, []byte{})), noon())
		if len(f.Actions) != 3 || f.Actions[0].Forwarded || f.Actions[1].Forwarded != tt.want || f.Actions[2].Forwarded || f.Actions[1].Value != number(3) || f.Actions[1].Path != "req.data" {
			t.Errorf("%s: %+v", name, f.Actions)
		}
	}
}
