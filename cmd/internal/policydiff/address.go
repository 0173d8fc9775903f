package policydiff

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var addressForm = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)

// spell writes all addresses of a policy alike. It does so only where nothing but
// an address can stand: capitals of a text are a part of it.
func spell(policy *yaml.Node) {
	for _, section := range []string{"accounts", "lists"} {
		for _, value := range values(member(policy, section)) {
			spellEach(value)
		}
	}
	for _, token := range values(member(policy, "tokens")) {
		spellEach(member(token, "address"))
	}
	for _, section := range []string{"rules", "budgets"} {
		if list := member(policy, section); list != nil && list.Kind == yaml.SequenceNode {
			for _, node := range list.Content {
				spellMatch(member(node, "match"))
			}
		}
	}
}

// spellMatch is spell for a match.
func spellMatch(match *yaml.Node) {
	for _, key := range []string{"account", "delegate_to", "to", "token", "recipient", "owner"} {
		spellEach(member(match, key))
	}
	spellEach(member(member(match, "domain"), "contract"))
	for _, key := range []string{"safe", "gas_token", "refund_receiver"} {
		spellEach(member(member(match, "safe"), key))
	}
	if inner := member(match, "inner"); inner != nil && inner.Kind == yaml.SequenceNode {
		for _, node := range inner.Content {
			spellMatch(node)
		}
	}
}

// spellEach writes an address, or each of a list, in small letters.
func spellEach(node *yaml.Node) {
	if node == nil {
		return
	}
	for _, element := range elements(node) {
		if element.Kind == yaml.ScalarNode && addressForm.MatchString(element.Value) {
			element.Value = strings.ToLower(element.Value)
		}
	}
}

// values are those of a mapping.
func values(node *yaml.Node) []*yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	var all []*yaml.Node
	for pair := range slices.Chunk(node.Content, 2) {
		all = append(all, pair[len(pair)-1])
	}
	return all
}
