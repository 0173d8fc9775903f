package facts

// forwardMethods pass on what others have signed: forwarders (EIP-2771), contracts
// that take meta-transactions themselves, and entry points (EIP-4337). What is
// passed on is done in the name of who signed it, and not with the powers of who
// sends it, but for what the unpacker finds to be otherwise.
func forwardMethods() []definition {
	const (
		operation06 = "(address,uint256,bytes,bytes,uint256,uint256,uint256,uint256,uint256,bytes,bytes)"
		operation07 = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)" // and 0.8

		// From, to, value, gas, …, data, …
		request = "(address,address,uint256,uint256,uint48,bytes,bytes)"
	)
	return []definition{
		{signature: "execute((address,address,uint256,uint256,uint256,bytes),bytes)", inner: forwardsOne},
		{signature: "execute((address,address,uint256,uint256,uint256,bytes,uint256),bytes32,bytes32,bytes,bytes)", inner: forwardsOne},
		{signature: "execute(" + request + ")", inner: forwardsOne},
		{signature: "executeBatch(" + request + "[],address)", inner: forwardsMany},
		{signature: "executeMetaTransaction(address,bytes,bytes32,bytes32,uint8)", inner: func(a *Action, v values) inner {
			return inner{actions: []Action{{Path: "functionSignature", From: v.address(0), To: a.To, Data: v.bytes(1), Forwarded: true}}}
		}},

		{signature: "handleOps(" + operation06 + "[],address)", inner: handlesOperations},
		{signature: "handleOps(" + operation07 + "[],address)", inner: handlesOperations},
		{signature: "handleAggregatedOps((" + operation06 + "[],address,bytes)[],address)", inner: handlesAggregated},
		{signature: "handleAggregatedOps((" + operation07 + "[],address,bytes)[],address)", inner: handlesAggregated},
		{signature: "executeUserOp(" + operation07 + ",bytes32)", inner: func(*Action, values) inner {
			return inner{opaque: "an account gives the user operation a meaning of its own"}
		}},
	}
}

// forwardsOne is the call of a forwarder, of one request. Where the ether of the
// two differs, the forwarder keeps some, or pays what others have left there.
func forwardsOne(a *Action, v values) inner {
	within := inner{actions: []Action{requested("req.data", v.tuple(0))}}
	if within.actions[0].Value != a.Value {
		within.opaque = "the request takes another amount of ether than is sent along"
	}
	return within
}

// forwardsMany is a batch of a forwarder: what requests don't take of the ether
// goes to a receiver.
func forwardsMany(a *Action, v values) inner {
	var within inner
	for i, request := range v.tuples(0) {
		within.actions = append(within.actions, requested(nth("requests", i), request))
	}
	if !a.Value.IsZero() {
		within.opaque = "ether of requests that fail goes to a receiver"
	}
	return within
}

// requested is what a request of a forwarder does. A contract that does not trust
// the forwarder takes it for the forwarder's own call.
func requested(path string, request values) Action {
	target := request.address(1)
	return Action{Path: path, From: request.address(0), To: &target, Value: request.amount(2), Data: request.bytes(5), Forwarded: true}
}

// handlesOperations is what an entry point makes accounts do.
func handlesOperations(a *Action, v values) inner {
	var within inner
	within.add(a, "", v.tuples(0))
	return within
}

// handlesAggregated is handlesOperations in lists: (operations, aggregator, signature).
func handlesAggregated(a *Action, v values) inner {
	var within inner
	for i, list := range v.tuples(0) {
		if len(within.actions) > MaxActions {
			break // the one too many is noticed
		}
		within.add(a, nth("opsPerAggregator", i), list.tuples(0))
	}
	return within
}

// add adds user operations: (sender, nonce, initCode, callData, …).
func (w *inner) add(a *Action, path string, operations []values) {
	for i, operation := range operations {
		sender := operation.address(0)
		if len(operation.bytes(2)) > 0 {
			w.opaque = "a user operation deploys an account"
		}
		w.actions = append(w.actions, Action{Path: join(path, nth("ops", i)), From: *a.To, To: &sender, Data: operation.bytes(3)})
	}
}
