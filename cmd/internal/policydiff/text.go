package policydiff

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// keys are those of two mappings, in the order of the second and then of the first.
func keys(before, after *yaml.Node) []string {
	var all []string
	seen := make(map[string]bool)
	for _, node := range []*yaml.Node{after, before} {
		for i := 0; node != nil && node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			if key := node.Content[i].Value; !seen[key] {
				seen[key] = true
				all = append(all, key)
			}
		}
	}
	return all
}

func member(node *yaml.Node, key string) *yaml.Node {
	for i := 0; node != nil && node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// elements are those of a list; a single value is a list of one.
func elements(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.SequenceNode {
		return node.Content
	}
	return []*yaml.Node{node}
}

func inlines(nodes []*yaml.Node) []string {
	texts := make([]string, len(nodes))
	for i, node := range nodes {
		texts[i] = inline(node)
	}
	return texts
}

// without returns what is in the first list alone.
func without(list, other []string) []string {
	in := make(map[string]bool, len(other))
	for _, s := range other {
		in[s] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return in[s] })
}

// plainForm is what can be told from what stands around it without quotes: words,
// with no more than a space between them.
var plainForm = regexp.MustCompile(`^[\w./+@()-]+(:[\w./+@()-]+)*( [\w./+@()-]+(:[\w./+@()-]+)*)*$`)

// inline writes a value on one line, so that different values are written
// differently.
func inline(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		var parts []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			parts = append(parts, inline(node.Content[i])+": "+inline(node.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		return "[" + strings.Join(inlines(node.Content), ", ") + "]"
	default:
		if plainForm.MatchString(node.Value) {
			return node.Value
		}
		return strconv.Quote(node.Value)
	}
}

func join(place, key string) string {
	switch {
	case place == "":
		return key
	case strings.Contains(place, " ") && !strings.Contains(place, ": "): // the name of a rule or a limit
		return place + ": " + key
	default:
		return place + "." + key
	}
}
