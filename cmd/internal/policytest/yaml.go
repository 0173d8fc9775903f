package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds the nesting of a file of cases.
const maxDepth = 64

// parse reads the one document of a file: a mapping, without aliases.
func parse(source []byte) (*yaml.Node, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(source)))
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	var second yaml.Node
	if decoder.Decode(&second) == nil {
		return nil, errors.New("a second document: put everything into one")
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("want cases: and a list of them")
	}
	return root, check(root, 0)
}

func check(node *yaml.Node, depth int) error {
	switch {
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		return at(node, "anchors and aliases are not supported: write the value out, or once before the cases")
	case depth > maxDepth:
		return at(node, "nested deeper than %d", maxDepth)
	}
	for _, child := range node.Content {
		if err := check(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// decimal is a whole number that JSON can have as it is.
var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// toJSON writes a node as JSON. Scalars are texts as they are written, such as
// 0x10 and a time, but for true, false, null and decimal numbers. Members that
// stand twice do so in the JSON too, for its reader to refuse.
func toJSON(b *strings.Builder, node *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(node.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, node.Content[i].Value)
			b.WriteByte(':')
			toJSON(b, node.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, child := range node.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			toJSON(b, child)
		}
		b.WriteByte(']')
	default:
		switch {
		case node.Tag == "!!null":
			b.WriteString("null")
		case node.Tag == "!!bool":
			b.WriteString(strings.ToLower(node.Value))
		case node.Tag == "!!int" && decimal.MatchString(node.Value):
			b.WriteString(node.Value)
		default:
			writeText(b, node.Value)
		}
	}
}

func writeText(b *strings.Builder, text string) {
	quoted, _ := json.Marshal(text) //nolint:errchkjson // text can always be written
	b.Write(quoted)
}

// member returns a member of a mapping, nil if there is none.
func member(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node != nil && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// pair adds a member to a mapping.
func pair(to *yaml.Node, name string, value *yaml.Node) {
	to.Content = append(to.Content, scalar(name), value)
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func mapping(of *yaml.Node) *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Line: of.Line} }

// set puts a value in the place of a member's.
func set(in *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i+1 < len(in.Content); i += 2 {
		if in.Content[i].Value == name {
			in.Content[i+1] = value
		}
	}
}
