package policytest

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/extapi"
)

// safeNumbers are the members of a Safe transaction that are numbers, and that
// are 0 where they are not given.
func safeNumbers() []string {
	return []string{"value", "operation", "safeTxGas", "baseGas", "gasPrice", "nonce"}
}

// safeAddresses are those that are addresses, and 0 likewise.
func safeAddresses() []string { return []string{"to", "gasToken", "refundReceiver"} }

// safeMembers are all: signer is the owner that signs.
func safeMembers() []string {
	return slices.Concat(safeNumbers(), safeAddresses(), []string{"signer", "safe", "chainId", "data", "call", "args"})
}

// safeRequest writes the request to sign a Safe transaction, with its hash.
func (r *reader) safeRequest(node *yaml.Node) (*yaml.Node, error) {
	all, err := r.merged(node, r.defaults["safe_transaction"], safeMembers())
	if err != nil {
		return nil, err
	}
	numbers := map[string]*big.Int{"chainId": big.NewInt(1)}
	for _, name := range append(safeNumbers(), "chainId") {
		value := member(all, name)
		switch {
		case value != nil && name == "chainId":
			numbers[name], err = r.names.chain(value.Value)
		case value != nil:
			numbers[name], err = r.names.number(value.Value)
		case name != "chainId":
			numbers[name] = new(big.Int)
		}
		if err != nil {
			return nil, at(value, "%s: %w", name, err)
		}
	}
	addresses := make(map[string]string)
	for _, name := range append(safeAddresses(), "signer", "safe") {
		addresses[name] = common.Address{}.Hex()
		if value := member(all, name); value != nil {
			addresses[name] = r.names.address(value.Value)
		}
		if !common.IsHexAddress(addresses[name]) {
			return nil, at(node, "%s: %q is neither an address nor a name of the policy", name, addresses[name])
		}
	}
	data, err := r.data(all)
	if err != nil {
		return nil, err
	}
	hash, err := safeHash(numbers, addresses, data)
	if err != nil {
		return nil, at(node, "hashing the Safe transaction: %w", err)
	}
	return safeWire(node, numbers, addresses, data, hash), nil
}

// safeHash is the EIP-712 hash that owners sign.
func safeHash(numbers map[string]*big.Int, addresses map[string]string, data []byte) (string, error) {
	message := apitypes.TypedDataMessage{"data": hexutil.Encode(data)}
	for _, name := range safeNumbers() {
		message[name] = numbers[name].String()
	}
	for _, name := range safeAddresses() {
		message[name] = addresses[name]
	}
	digest, _, err := apitypes.TypedDataAndHash(apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
			"SafeTx":       extapi.SafeTxFields(),
		},
		PrimaryType: "SafeTx",
		Domain:      apitypes.TypedDataDomain{ChainId: (*math.HexOrDecimal256)(numbers["chainId"]), VerifyingContract: addresses["safe"]},
		Message:     message,
	})
	return hexutil.Encode(digest), err
}

// safeWire writes the request as it goes over the wire.
func safeWire(node *yaml.Node, numbers map[string]*big.Int, addresses map[string]string, data []byte, hash string) *yaml.Node {
	written := mapping(node)
	for _, name := range append(safeNumbers(), "chainId") {
		value := scalar(numbers[name].String())
		if name != "value" && name != "gasPrice" { // of those alone a text is wanted
			value.Tag = "!!int"
		}
		pair(written, name, value)
	}
	for _, name := range append(safeAddresses(), "safe") {
		pair(written, name, scalar(addresses[name]))
	}
	if len(data) > 0 {
		pair(written, "data", scalar(hexutil.Encode(data)))
	}
	pair(written, "safeTxHash", scalar(hash))
	request := mapping(node)
	pair(request, "method", scalar("account_signGnosisSafeTx"))
	pair(request, "params", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{scalar(addresses["signer"]), written}})
	return request
}

// data returns the data of a transaction: given as it is, or by a call.
func (r *reader) data(of *yaml.Node) ([]byte, error) {
	call, args, data := member(of, "call"), member(of, "args"), member(of, "data")
	switch {
	case given(call):
		return r.callData(call, args)
	case given(args):
		return nil, at(args, "args: of what? give call, such as transfer(address,uint256)")
	case !given(data):
		return nil, nil
	}
	raw, err := hexutil.Decode(data.Value)
	if err != nil {
		return nil, at(data, "data: %w", err)
	}
	return raw, nil
}

// given reports whether a member is there and not null.
func given(node *yaml.Node) bool { return node != nil && node.Tag != "!!null" }

// chain reads a chain id, or the name of one.
func (n Names) chain(text string) (*big.Int, error) {
	if id, named := n.chains[text]; named {
		text = id
	}
	number, err := n.number(text)
	if err != nil {
		return nil, fmt.Errorf("%w, and no chain of the policy", err)
	}
	return number, nil
}
