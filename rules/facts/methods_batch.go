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
		for i, data := range as[[][]byte](v[at]) {
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

const multiSendSignature = "multiSend(bytes)"

func isMultiSend(m *method) bool { return m.Sig == multiSendSignature }

// multiSend is Safe's batch: for each call one byte of operation, the target, the
// value, the length of the data, and the data, without padding. A Safe runs it by
// a delegate call, so that the calls are the Safe's own.
func multiSend(a *Action, v values) inner {
	const header = 1 + 20 + 32 + 32
	from := *a.To
	if a.Delegate {
		from = a.From
	}
	var within inner
	for rest := v.bytes(0); len(rest) > 0; {
		if len(rest) < header || rest[0] > 1 {
			within.opaque = "the batch is malformed"
			return within
		}
		length := new(uint256.Int).SetBytes32(rest[header-32 : header])
		if !length.IsUint64() || length.Uint64() > uint64(len(rest)-header) {
			within.opaque = "the batch is malformed"
			return within
		}
		if len(within.actions) > MaxActions {
			within.opaque = "the batch is too long"
			return within
		}
		end := header + int(length.Uint64()) // #nosec G115 -- at most the length of the data
		target := common.BytesToAddress(rest[1:21])
		within.actions = append(within.actions, Action{
			Path: nth("transactions", len(within.actions)), From: from, To: &target, Value: *new(uint256.Int).SetBytes32(rest[21:53]),
			Data: rest[header:end:end], Delegate: rest[0] == 1,
		})
		rest = rest[end:]
	}
	return within
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
