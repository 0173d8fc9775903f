package policytest

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules/suggest"
)

// reader reads the cases of a file.
type reader struct {
	names Names

	defaults    []*yaml.Node // name and value, of members that each case has unless it has its own
	transaction *yaml.Node   // likewise of transactions; nil: none
	cases       []*yaml.Node
}

// shared are the members that may stand before the cases, for all of them.
func shared() []string {
	return []string{"accounts", "advanced", "caller", "chain_id", "principal", "time"}
}

// document takes the file apart.
func (r *reader) document(root *yaml.Node) (failures []error) {
	known := append(shared(), "transaction", "cases")
	seen := make(map[string]bool)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case seen[key.Value]:
			failures = append(failures, at(key, "%s: stands twice: write it once", key.Value))
		case key.Value == "transaction" && value.Kind != yaml.MappingNode:
			failures = append(failures, at(value, "transaction: want keys and values"))
		case key.Value == "transaction":
			r.transaction = value
		case key.Value == "cases" && value.Kind != yaml.SequenceNode:
			failures = append(failures, at(value, "cases: want a list"))
		case key.Value == "cases":
			r.cases = value.Content
		case slices.Contains(known, key.Value):
			r.defaults = append(r.defaults, key, value)
		default:
			failures = append(failures, at(key, "unknown key %q%s", key.Value, suggest.DidYouMean("", key.Value, known)))
		}
		seen[key.Value] = true
	}
	return failures
}

// read reads one case.
func (r *reader) read(node *yaml.Node) (*rulestest.Case, error) {
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "a case has keys and values")
	}
	written, err := r.step(node)
	if err != nil {
		return nil, err
	}
	steps := member(written, "steps")
	for i := 0; i+1 < len(r.defaults); i += 2 {
		name, value := r.defaults[i].Value, r.defaults[i+1]
		if member(node, name) == nil && (name != "time" || steps == nil) {
			pair(written, name, value)
		}
	}
	if steps != nil {
		if err := r.steps(steps); err != nil {
			return nil, err
		}
	}
	if list := member(written, "accounts"); list != nil {
		set(written, "accounts", r.accounts(list))
	}
	var text strings.Builder
	toJSON(&text, written)
	c, err := rulestest.Decode([]byte(text.String()))
	if err != nil {
		return nil, at(node, "%w", err)
	}
	return c, nil
}

// steps puts the steps of a case as the decoder reads them in their place.
func (r *reader) steps(list *yaml.Node) error {
	for i, node := range list.Content {
		if node.Kind != yaml.MappingNode {
			continue // for the decoder to refuse
		}
		written, err := r.step(node)
		if err != nil {
			return err
		}
		for j := 0; j+1 < len(r.defaults); j += 2 {
			if r.defaults[j].Value == "time" && member(node, "time") == nil {
				pair(written, "time", r.defaults[j+1])
			}
		}
		list.Content[i] = written
	}
	return nil
}

// step copies a case or a step, with the request of its transaction.
func (r *reader) step(node *yaml.Node) (*yaml.Node, error) {
	written := mapping(node)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch key.Value {
		case "transaction":
			request, err := r.request(value)
			if err != nil {
				return nil, err
			}
			pair(written, "request", request)
		case "expect":
			if listed := member(value, "listed"); listed != nil {
				set(value, "listed", r.accounts(listed))
			}
			pair(written, key.Value, value)
		default:
			pair(written, key.Value, value)
		}
	}
	return written, nil
}

// accounts puts addresses in the place of names.
func (r *reader) accounts(list *yaml.Node) *yaml.Node {
	read := &yaml.Node{Kind: list.Kind, Tag: list.Tag, Value: list.Value, Line: list.Line}
	for _, node := range list.Content {
		switch node.Kind {
		case yaml.MappingNode:
			account := mapping(node)
			for i := 0; i+1 < len(node.Content); i += 2 {
				value := node.Content[i+1]
				if node.Content[i].Value == "address" {
					value = scalar(r.names.address(value.Value))
				}
				pair(account, node.Content[i].Value, value)
			}
			node = account
		case yaml.ScalarNode:
			node = scalar(r.names.address(node.Value))
		}
		read.Content = append(read.Content, node)
	}
	return read
}
