package facts

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata"
)

// walletMethods make a contract call another one: Safes and smart accounts.
func walletMethods() []definition {
	return []definition{
		{signature: "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", inner: safeExecutes},
		{signature: "execTransactionFromModule(address,uint256,bytes,uint8)", inner: safeCalls},
		{signature: "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)", inner: safeCalls},

		// The module of Safes for EIP-4337
		{signature: "executeUserOp(address,uint256,bytes,uint8)", inner: safeCalls},
		{signature: "executeUserOpWithErrorString(address,uint256,bytes,uint8)", inner: safeCalls},

		// ERC-6551, which has the operations of a Safe and others
		{signature: "execute(address,uint256,bytes,uint8)", inner: safeCalls},
		{signature: "executeBatch((address,uint256,bytes,uint8)[])", inner: safeBatches},

		{signature: "execute(address,uint256,bytes)", inner: func(a *Action, v values) inner {
			target := v.address(0)
			return inner{actions: []Action{{Path: "func", From: *a.To, To: &target, Value: v.amount(1), Data: v.bytes(2)}}}
		}},
		{signature: "executeBatch(address[],bytes[])", inner: func(a *Action, v values) inner {
			return executes(a, as[[]common.Address](v[0]), nil, as[[][]byte](v[1]))
		}},
		{signature: "executeBatch(address[],uint256[],bytes[])", inner: func(a *Action, v values) inner {
			amounts := make(values, 0)
			for _, n := range v.numbers(1) {
				amounts = append(amounts, n)
			}
			return executes(a, as[[]common.Address](v[0]), amounts, as[[][]byte](v[2]))
		}},
		{signature: "executeBatch((address,uint256,bytes)[])", inner: func(a *Action, v values) inner { return executesAll(a, v.tuples(0)) }},

		// EIP-7579
		{signature: "execute(bytes32,bytes)", inner: modular},
		{signature: "executeFromExecutor(bytes32,bytes)", inner: modular},
	}
}

// safeCalls is the call of a Safe: (to, value, data, operation, …).
func safeCalls(a *Action, v values) inner {
	target := v.address(0)
	within := inner{actions: []Action{{Path: "data", From: *a.To, To: &target, Value: v.amount(1), Data: v.bytes(2), Delegate: v.small(3) == 1}}}
	if v.small(3) > 1 {
		within.opaque = "the operation is neither a call nor a delegate call"
	}
	return within
}

// safeBatches is a batch of (to, value, data, operation).
func safeBatches(a *Action, v values) inner {
	var within inner
	for i, call := range v.tuples(0) {
		one := safeCalls(a, call)
		one.actions[0].Path = nth("operations", i)
		within.actions = append(within.actions, one.actions...)
		if one.opaque != "" {
			within.opaque = one.opaque
		}
	}
	return within
}

// safeExecutes is safeCalls where the Safe may pay for it besides: (…, safeTxGas,
// baseGas, gasPrice, gasToken, refundReceiver, signatures).
func safeExecutes(a *Action, v values) inner {
	within := safeCalls(a, v)
	if price := v.amount(6); !price.IsZero() {
		within.opaque = "the Safe pays a refund, of more the more gas is used"
	}
	return within
}

// executes is a batch in lists of equal length.
func executes(a *Action, targets []common.Address, amounts values, data [][]byte) inner {
	var within inner
	// An empty list of values is of a batch without any.
	if len(targets) != len(data) || len(amounts) > 0 && len(amounts) != len(targets) {
		within.opaque = "the lists of the batch differ in length"
	}
	for i := range min(len(targets), len(data), MaxActions+1) {
		action := Action{Path: nth("func", i), From: *a.To, To: &targets[i], Data: data[i]}
		if i < len(amounts) {
			action.Value = amounts.amount(i)
		}
		within.actions = append(within.actions, action)
	}
	return within
}

// executesAll is a batch of (target, value, data).
func executesAll(a *Action, calls []values) inner {
	var within inner
	for i, call := range calls {
		target := call.address(0)
		within.actions = append(within.actions, Action{Path: nth("calls", i), From: *a.To, To: &target, Value: call.amount(1), Data: call.bytes(2)})
	}
	return within
}

// batchOf7579 decodes a batch of EIP-7579, which is encoded like the arguments
// of a method.
var batchOf7579 = sync.OnceValues(func() (*calldata.Method, error) { return calldata.Parse("batch((address,uint256,bytes)[])") })

// modular is the execution of EIP-7579. What is tried and may fail counts the
// same. A mode names the kind of call, whether it may fail, and 30 bytes with
// which an account may give the calls another meaning.
func modular(a *Action, v values) inner {
	mode, data := as[[32]byte](v[0]), v.bytes(1)
	var within inner
	switch mode[0] {
	case 0x00:
		within = packedCall(a, data)
	case 0x01:
		within = modularBatch(a, data)
	case 0xff:
		if len(data) < common.AddressLength {
			return inner{opaque: "the call is malformed"}
		}
		target := common.BytesToAddress(data[:common.AddressLength])
		within.actions = []Action{{Path: "executionCalldata", From: *a.To, To: &target, Data: data[common.AddressLength:], Delegate: true}}
	}
	if mode[0] > 0x01 && mode[0] != 0xff || mode[1] > 0x01 || [30]byte(mode[2:]) != [30]byte{} {
		within.opaque = "the mode of execution is not known"
	}
	return within
}

func modularBatch(a *Action, data []byte) inner {
	batch, err := batchOf7579()
	if err != nil {
		return inner{opaque: err.Error()}
	}
	selector := batch.Selector()
	calls, err := batch.Unpack(append(selector[:], data...))
	if err != nil {
		return inner{opaque: "the batch is malformed"}
	}
	within := executesAll(a, values(calls).tuples(0))
	for i := range within.actions {
		if *within.actions[i].To == (common.Address{}) {
			within.opaque = zeroTarget
		}
	}
	return within
}
