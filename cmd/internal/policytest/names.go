package policytest

import (
	"cmp"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"
)

// Names are those that a policy declares.
type Names struct {
	addresses map[string]string
	units     map[string]int // decimals of the units of amounts
	chains    map[string]string
}

// NamesOf reads the names of a policy. What is wrong with it is for others to
// say: it may be read before it loads.
func NamesOf(source []byte) Names {
	names := Names{
		addresses: make(map[string]string), chains: make(map[string]string),
		units: map[string]int{"wei": 0, "gwei": 9, "ether": 18},
	}
	root, err := parse(source)
	if err != nil {
		return names
	}
	accounts := make(map[string]string)
	each(member(root, "accounts"), func(name string, value *yaml.Node) {
		names.add(name, value.Value)
		accounts[name] = value.Value
	})
	each(member(root, "chains"), func(name string, value *yaml.Node) { names.chains[name] = value.Value })
	each(member(root, "tokens"), func(name string, value *yaml.Node) {
		if address := member(value, "address"); address != nil {
			names.add(name, address.Value)
		}
		if decimals := member(value, "decimals"); decimals != nil {
			if n, err := strconv.Atoi(decimals.Value); err == nil && n >= 0 && n <= maxDecimals {
				names.units[name] = n
			}
		}
	})
	// Of a list, the first, which may be the name of an account.
	each(member(root, "lists"), func(name string, value *yaml.Node) {
		if value.Kind == yaml.SequenceNode && len(value.Content) > 0 {
			value = value.Content[0]
		}
		names.add(name, cmp.Or(accounts[value.Value], value.Value))
	})
	return names
}

func (n Names) add(name, address string) {
	if common.IsHexAddress(address) {
		n.addresses[name] = common.HexToAddress(address).Hex()
	}
}

// address returns the address of a name, and of an address its spelling with a
// checksum. Other texts stay as they are.
func (n Names) address(text string) string {
	if address, ok := n.addresses[text]; ok {
		return address
	}
	if common.IsHexAddress(text) {
		return common.HexToAddress(text).Hex()
	}
	return text
}

func each(node *yaml.Node, visit func(name string, value *yaml.Node)) {
	for i := 0; node != nil && node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		visit(node.Content[i].Value, node.Content[i+1])
	}
}
