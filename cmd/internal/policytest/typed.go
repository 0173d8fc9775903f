package policytest

import (
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"go.yaml.in/yaml/v3"
)

// typedRequest writes the request to sign typed data. Of domain and message each
// member takes the place of the one that stands before the cases. Numbers may
// have units and addresses names, by the types; the type of the domain follows
// from its members where it is not given.
func (r *reader) typedRequest(node *yaml.Node) (*yaml.Node, error) {
	all, err := r.merged(node, r.defaults["typed_data"], []string{"signer", "types", "primaryType", "domain", "message"})
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"domain", "message"} {
		own, before := member(all, part), member(r.defaults["typed_data"], part)
		if own != nil && before != nil && own != before {
			set(all, part, overlaid(before, own))
		}
	}
	signer, types, primary := member(all, "signer"), member(all, "types"), member(all, "primaryType")
	domain, message := member(all, "domain"), member(all, "message")
	if signer == nil || types == nil || primary == nil || domain == nil || message == nil {
		return nil, at(node, "typed data has signer, types, primaryType, domain and message, here or before the cases")
	}
	types = withDomain(types, domain)
	domain, err = r.typed(types, "EIP712Domain", domain)
	if err != nil {
		return nil, err
	}
	if message, err = r.typed(types, primary.Value, message); err != nil {
		return nil, err
	}
	document := mapping(node)
	pair(document, "types", types)
	pair(document, "primaryType", primary)
	pair(document, "domain", domain)
	pair(document, "message", message)
	request := mapping(node)
	pair(request, "method", scalar("account_signTypedData"))
	pair(request, "params", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{scalar(r.names.address(signer.Value)), document}})
	return request, nil
}

// overlaid returns a mapping with members of another in their place. What is null
// there is left out.
func overlaid(under, over *yaml.Node) *yaml.Node {
	merged := mapping(over)
	each(under, func(name string, value *yaml.Node) {
		if own := member(over, name); own != nil {
			value = own
		}
		if given(value) {
			pair(merged, name, value)
		}
	})
	each(over, func(name string, value *yaml.Node) {
		if member(under, name) == nil && given(value) {
			pair(merged, name, value)
		}
	})
	return merged
}

// withDomain adds the type of the domain, if it is missing.
func withDomain(types, domain *yaml.Node) *yaml.Node {
	if member(types, "EIP712Domain") != nil {
		return types
	}
	fields := &yaml.Node{Kind: yaml.SequenceNode, Line: domain.Line}
	for _, field := range [][2]string{{"name", "string"}, {"version", "string"}, {"chainId", "uint256"}, {"verifyingContract", "address"}, {"salt", "bytes32"}} {
		if member(domain, field[0]) != nil {
			one := mapping(domain)
			pair(one, "name", scalar(field[0]))
			pair(one, "type", scalar(field[1]))
			fields.Content = append(fields.Content, one)
		}
	}
	all := mapping(types)
	pair(all, "EIP712Domain", fields)
	all.Content = append(all.Content, types.Content...)
	return all
}

// typed writes a value of a type. What does not fit is for the decoder to refuse.
func (r *reader) typed(types *yaml.Node, typ string, node *yaml.Node) (*yaml.Node, error) {
	element, isArray := strings.CutSuffix(typ, "]")
	switch {
	case node.Kind == yaml.SequenceNode && isArray:
		list := &yaml.Node{Kind: yaml.SequenceNode, Line: node.Line}
		for _, child := range node.Content {
			value, err := r.typed(types, element[:strings.LastIndexByte(element, '[')], child)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, value)
		}
		return list, nil
	case node.Kind == yaml.MappingNode:
		return r.typedStruct(types, member(types, typ), node)
	case node.Kind != yaml.ScalarNode:
		return node, nil
	case typ == "address":
		return scalar(r.names.address(node.Value)), nil
	case strings.HasPrefix(typ, "uint") || strings.HasPrefix(typ, "int"):
		read := r.names.number
		if _, named := r.names.chains[node.Value]; named {
			read = r.names.chain
		}
		number, err := read(node.Value)
		if err != nil {
			return nil, at(node, "%w", err)
		}
		return scalar(number.String()), nil
	default:
		return node, nil
	}
}

// typedStruct writes the members of a struct, by the types of its fields.
func (r *reader) typedStruct(types, fields, node *yaml.Node) (*yaml.Node, error) {
	written := mapping(node)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		if fields != nil {
			for _, field := range fields.Content {
				if n, typ := member(field, "name"), member(field, "type"); n != nil && typ != nil && n.Value == name {
					typed, err := r.typed(types, typ.Value, value)
					if err != nil {
						return nil, err
					}
					value = typed
				}
			}
		}
		pair(written, name, value)
	}
	return written, nil
}

// textRequest writes the request to sign a personal message.
func (r *reader) textRequest(node *yaml.Node) (*yaml.Node, error) {
	all, err := r.merged(node, r.defaults["text"], []string{"signer", "text"})
	if err != nil {
		return nil, err
	}
	signer, text := member(all, "signer"), member(all, "text")
	if signer == nil || text == nil {
		return nil, at(node, "a text has signer and text, here or before the cases")
	}
	request := mapping(node)
	pair(request, "method", scalar("account_signData"))
	pair(request, "params", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{
		scalar("text/plain"), scalar(r.names.address(signer.Value)), scalar(hexutil.Encode([]byte(text.Value))),
	}})
	return request, nil
}
