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

	shared   []*yaml.Node          // name and value, of members that each case has unless it has its own
	defaults map[string]*yaml.Node // the members of requests likewise, by the kind of request
	cases    []*yaml.Node
}

// writer writes the request that stands in a case in words.
type writer func(node *yaml.Node) (*yaml.Node, error)

// writers are those, by the keys of the words.
func (r *reader) writers() map[string]writer {
	return map[string]writer{
		"transaction": r.request, "safe_transaction": r.safeRequest, "typed_data": r.typedRequest, "text": r.textRequest, "block_payload": r.payloadRequest,
	}
}

// shared are the members that may stand before the cases, for all of them.
func shared() []string {
	return []string{"accounts", "advanced", "caller", "chain_id", "principal", "time"}
}

// document takes the file apart.
func (r *reader) document(root *yaml.Node) (failures []error) {
	known := append(shared(), "cases", "transaction", "safe_transaction", "typed_data", "text", "block_payload")
	r.defaults = make(map[string]*yaml.Node)
	writers := r.writers()
	seen := make(map[string]bool)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case seen[key.Value]:
			failures = append(failures, at(key, "%s: stands twice: write it once", key.Value))
		case writers[key.Value] != nil && value.Kind != yaml.MappingNode:
			failures = append(failures, at(value, "%s: want keys and values", key.Value))
		case writers[key.Value] != nil:
			r.defaults[key.Value] = value
		case key.Value == "cases" && value.Kind != yaml.SequenceNode:
			failures = append(failures, at(value, "cases: want a list"))
		case key.Value == "cases":
			r.cases = value.Content
		case slices.Contains(known, key.Value):
			r.shared = append(r.shared, key, value)
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
	for i := 0; i+1 < len(r.shared); i += 2 {
		name, value := r.shared[i].Value, r.shared[i+1]
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
		for j := 0; j+1 < len(r.shared); j += 2 {
			if r.shared[j].Value == "time" && member(node, "time") == nil {
				pair(written, "time", r.shared[j+1])
			}
		}
		list.Content[i] = written
	}
	return nil
}

// step copies a case or a step, with the request of its transaction.
func (r *reader) step(node *yaml.Node) (*yaml.Node, error) {
	written, writers := mapping(node), r.writers()
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch write := writers[key.Value]; {
		case write != nil:
			request, err := write(value)
			if err != nil {
				return nil, err
			}
			pair(written, "request", request)
		case key.Value == "expect":
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
