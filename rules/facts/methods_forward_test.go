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
	one := func(wei int64) []byte {
		return calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint48,bytes,bytes))", timedRequest{other, token, big.NewInt(wei), zero, zero, transfer, none})
	}
	executeUserOp := selectorOf(t, "executeUserOp("+operation+",bytes32)")
	for name, tt := range map[string]struct {
		data []byte
		wei  int64
		want string // of what is said to be hidden
	}{
		"nothing":                           {batch, 0, ""},
		"one request takes all ether":       {one(1), 1, ""},
		"one request takes less":            {one(1), 2, "another amount"},
		"one request takes more":            {one(2), 1, "another amount"},
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

// TestForwarded: what is passed on is that of who signed it, unless that is the
// account or somebody around it, or ether goes with it.
func TestForwarded(t *testing.T) {
	t.Parallel()
	forwarder, zero := other, new(big.Int)
	transfer := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	request := func(from, to common.Address, wei int64, data []byte) []byte {
		return calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes),bytes)", minimalRequest{from, to, big.NewInt(wei), zero, zero, data}, []byte{})
	}
	type aggregated struct {
		Name0 common.Address
		Name1 []byte
	}
	aggregate := func(data []byte) []byte {
		return calldatatest.Pack(t, "aggregate((address,bytes)[])", []aggregated{{forwarder, data}})
	}
	meta := func(from common.Address) []byte {
		return calldatatest.Pack(t, "executeMetaTransaction(address,bytes,bytes32,bytes32,uint8)", from, transfer, [32]byte{}, [32]byte{}, uint8(27))
	}
	multicall := common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11")
	for name, tt := range map[string]struct {
		to   common.Address
		wei  int64
		data []byte
		at   int // of the actions
		want bool
		from common.Address
	}{
		"of another":                          {forwarder, 0, request(payee, token, 0, transfer), 1, true, payee},
		"of who sends it":                     {forwarder, 0, request(sender, token, 0, transfer), 1, false, sender},
		"of the forwarder":                    {forwarder, 0, request(forwarder, token, 0, transfer), 1, false, forwarder},
		"of another, with ether":              {forwarder, 3, request(payee, token, 3, transfer), 1, false, payee},
		"of another, ether of the forwarder":  {forwarder, 0, request(payee, token, 3, transfer), 1, false, payee},
		"of another, ether that stays":        {forwarder, 3, request(payee, token, 0, transfer), 1, true, payee},
		"of another, by another contract":     {multicall, 0, aggregate(request(payee, token, 0, transfer)), 2, true, payee},
		"of who sends it, by another":         {multicall, 0, aggregate(request(sender, token, 0, transfer)), 2, false, sender},
		"of the other contract":               {multicall, 0, aggregate(request(multicall, token, 0, transfer)), 2, false, multicall},
		"of another, and within of him":       {forwarder, 0, request(payee, payee, 0, request(payee, token, 0, transfer)), 1, true, payee},
		"of another, and within of the first": {forwarder, 0, request(payee, payee, 0, request(sender, token, 0, transfer)), 1, false, payee},
		"the account is the forwarder":        {sender, 0, request(payee, token, 0, transfer), 1, false, sender},
		"a meta-transaction":                  {token, 0, meta(payee), 1, true, payee},
		"a meta-transaction of who sends it":  {token, 0, meta(sender), 1, false, sender},
		"a meta-transaction of the account's": {sender, 0, meta(payee), 1, false, sender},
	} {
		f := Of(call(&tt.to, tt.wei, tt.data), noon())
		if len(f.Actions) <= tt.at {
			t.Errorf("%s: %d actions", name, len(f.Actions))
			continue
		}
		if a := f.Actions[tt.at]; f.Actions[0].Forwarded || a.Forwarded != tt.want || a.From != tt.from {
			t.Errorf("%s: forwarded: %v, in the name of %s", name, a.Forwarded, a.From)
		}
		last := f.Actions[len(f.Actions)-1]
		if tt.from == sender && (len(last.Effects) != 1 || last.Effects[0].Owner != sender) {
			t.Errorf("%s: %+v", name, last.Effects)
		}
		if got := f.Actions[0].Opaque != ""; got != (strings.Contains(name, "stays") || strings.Contains(name, "ether of")) {
			t.Errorf("%s: hidden: %q", name, f.Actions[0].Opaque)
		}
	}
}

// TestOperationsAreOfTheEntryPoint, which calls the account that an operation is of.
func TestOperationsAreOfTheEntryPoint(t *testing.T) {
	t.Parallel()
	zero, none, hash := new(big.Int), []byte{}, [32]byte{}
	data := calldatatest.Pack(t, "handleOps((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[],address)",
		[]operation07{{other, zero, none, calldatatest.Pack(t, "execute(address,uint256,bytes)", token, zero, none), hash, zero, hash, none, none}}, payee)
	entry := payee
	f := Of(call(&entry, 0, data), noon())
	if len(f.Actions) != 3 || f.Actions[1].From != entry || *f.Actions[1].To != other || f.Actions[2].From != other || *f.Actions[2].To != token {
		t.Errorf("%+v", f.Actions)
	}
}

// TestForwardedBySafes: nothing that a forwarder passes on in the name of the Safe, or
// that the Safe or the account passes on as one, is that of another.
func TestForwardedBySafes(t *testing.T) {
	t.Parallel()
	safe, forwarder, zero := other, token, new(big.Int)
	request := func(from common.Address) []byte {
		return calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes),bytes)", minimalRequest{from, token, zero, zero, zero, []byte{1, 2, 3, 4}}, []byte{})
	}
	for name, tt := range map[string]struct {
		to, from common.Address
		want     bool
		as       common.Address
	}{
		"of another":             {forwarder, payee, true, payee},
		"of the Safe":            {forwarder, safe, false, safe},
		"of the account":         {forwarder, sender, false, sender},
		"the Safe passes on":     {safe, payee, false, safe},
		"the account passes on":  {sender, payee, false, sender},
		"of the forwarder again": {forwarder, forwarder, false, forwarder},
	} {
		actions := actionsOf(sender, Action{From: safe, To: &tt.to, Data: request(tt.from)})
		if len(actions) != 2 || actions[1].Forwarded != tt.want || actions[1].From != tt.as {
			t.Errorf("%s: %+v", name, actions)
		}
	}
}
