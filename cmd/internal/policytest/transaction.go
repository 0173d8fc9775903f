package policytest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/suggest"
)

// maxDecimals bounds the places of a unit after the point.
const maxDecimals = 77

// quantities are the members of a transaction that are numbers.
func quantities() []string {
	return []string{"chainId", "gas", "gasPrice", "maxFeePerBlobGas", "maxFeePerGas", "maxPriorityFeePerGas", "nonce", "value"}
}

// members are all members of a transaction, as callers write it, call and args,
// which stand for its data, and the method that it is asked by.
func members() []string {
	return append(quantities(), "from", "to", "data", "input", "accessList", "authorizationList", "blobVersionedHashes", "call", "args", "method")
}

// request writes the request to sign a transaction.
func (r *reader) request(node *yaml.Node) (*yaml.Node, error) {
	all, err := r.merged(node, r.defaults["transaction"], members())
	if err != nil {
		return nil, err
	}
	written := mapping(node)
	for i := 0; i+1 < len(all.Content); i += 2 {
		if err := r.member(written, all.Content[i].Value, all.Content[i+1]); err != nil {
			return nil, err
		}
	}
	if given(member(all, "call")) || given(member(all, "args")) {
		data, err := r.data(all)
		if err != nil {
			return nil, err
		}
		pair(written, "data", scalar(hexutil.Encode(data)))
	}
	request := mapping(node)
	method := scalar("account_signTransaction")
	if named := member(all, "method"); given(named) {
		method = named
	}
	pair(request, "method", method)
	pair(request, "params", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{written}})
	return request, nil
}

// merged returns the members of a mapping, and of those that stand before the
// cases the ones that it doesn't have. A call of one's own takes the place of data
// that stands before the cases, and the other way round.
func (r *reader) merged(node, defaults *yaml.Node, known []string) (*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "want keys and values")
	}
	all := mapping(node)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if !slices.Contains(known, key.Value) {
			return nil, at(key, "unknown key %q%s", key.Value, suggest.DidYouMean("", key.Value, known))
		}
		if member(all, key.Value) != nil {
			return nil, at(key, "%s: stands twice: write it once", key.Value)
		}
		pair(all, key.Value, value)
	}
	ownCall, ownData := member(node, "call") != nil, member(node, "data") != nil
	each(defaults, func(name string, value *yaml.Node) {
		replaced := ownCall && name == "data" || ownData && (name == "call" || name == "args")
		if member(all, name) == nil && !replaced {
			pair(all, name, value)
		}
	})
	return all, nil
}

// member writes a member of a transaction. One that is null is left out, so that
// a case can be without what all others have.
func (r *reader) member(to *yaml.Node, name string, value *yaml.Node) error {
	switch {
	case value.Tag == "!!null":
	case name == "call" || name == "args": // become data
	case name == "method": // is the request's
	case name == "from" || name == "to":
		pair(to, name, scalar(r.names.address(value.Value)))
	case slices.Contains(quantities(), name):
		read := r.names.number
		if name == "chainId" {
			read = r.names.chain
		}
		number, err := read(value.Value)
		if err != nil {
			return at(value, "%s: %w", name, err)
		}
		pair(to, name, scalar(hexutil.EncodeBig(number)))
	default:
		pair(to, name, value)
	}
	return nil
}

// number reads a number: decimal, 0x hexadecimal, or decimal with a unit.
func (n Names) number(text string) (*big.Int, error) {
	digits, unit, named := strings.Cut(text, " ")
	if !named {
		number, ok := new(big.Int).SetString(text, 0)
		if !ok || number.BitLen() > 256 {
			return nil, fmt.Errorf("%q is no number, such as 21000, 0x5208 or 0.1 ether", text)
		}
		return number, nil
	}
	decimals, known := n.units[unit]
	if !known {
		var units []string
		for name := range n.units {
			units = append(units, name)
		}
		slices.Sort(units)
		return nil, fmt.Errorf("%q: unknown unit%s", text, suggest.DidYouMean("", unit, units))
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if len(fraction) > decimals || len(whole) > maxDecimals {
		return nil, fmt.Errorf("%q: a %s has %d places after the point", text, unit, decimals)
	}
	number, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
	if !ok || number.Sign() < 0 || number.BitLen() > 256 {
		return nil, fmt.Errorf("%q is no amount, such as 0.1 ether", text)
	}
	return number, nil
}
