package facts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// batchMethods make several calls.
func batchMethods() []definition {
	all := []definition{
		{signature: "multicall(bytes[])", inner: multicall(0)},
		{signature: "multicall(uint256,bytes[])", inner: multicall(1)},
		{signature: "multicall(bytes32,bytes[])", inner: multicall(1)},
		{signature: multiSendSignature, inner: multiSend},

		// Universal Router: a program of commands in a language of its own.
		{signature: "execute(bytes,bytes[])", inner: commands},
		{signature: "execute(bytes,bytes[],uint256)", inner: commands},
	}
	// Multicall3: each call is of (target, …, data).
	for signature, at := range map[string]int{
		"aggregate((address,bytes)[])": 0, "tryAggregate(bool,(address,bytes)[])": 1, "blockAndAggregate((address,bytes)[])": 0,
		"tryBlockAndAggregate(bool,(address,bytes)[])": 1, "aggregate3((address,bool,bytes)[])": 0, "aggregate3Value((address,bool,uint256,bytes)[])": 0,
	} {
		all = append(all, definition{signature: signature, inner: aggregate(at)})
	}
	return all
}

// multicall calls the contract's own methods, in the caller's name.
func multicall(at int) func(*Action, values) inner {
	return func(a *Action, v values) inner {
		var within inner
		list := as[[][]byte](v[at])
		for i, data := range list[:min(len(list), MaxActions+1)] {
			within.actions = append(within.actions, Action{Path: nth("data", i), From: a.From, To: a.To, Data: data})
		}
		return within
	}
}

// aggregate is a batch of calls by the contract.
func aggregate(at int) func(*Action, values) inner {
	return func(a *Action, v values) inner {
		var within inner
		for i, call := range v.tuples(at) {
			target := call.address(0)
			action := Action{Path: nth("calls", i), From: *a.To, To: &target, Data: call.bytes(len(call) - 1)}
			if len(call) == 4 {
				action.Value = call.amount(2)
			}
			within.actions = append(within.actions, action)
		}
		return within
	}
}

func commands(*Action, values) inner {
	return inner{opaque: "the commands of a router are not looked at"}
}

// packedCall is one call of EIP-7579: target, value and data without padding.
func packedCall(a *Action, data []byte) inner {
	if len(data) < 52 {
		return inner{opaque: "the call is malformed"}
	}
	target := common.BytesToAddress(data[:20])
	return inner{actions: []Action{{
		Path: "executionCalldata", From: *a.To, To: &target, Value: *new(uint256.Int).SetBytes32(data[20:52]), Data: data[52:],
	}}}
}
