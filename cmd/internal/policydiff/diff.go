// Package policydiff says in words what differs between two policies. It compares
// what is written, rule by rule, and not how: comments, the order of keys and
// lists, and the spelling of addresses don't count. The order of allow rules does.
package policydiff

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Change is one difference.
type Change struct {
	Place string `json:"place"` // such as "rule pay: match.value_max"
	Text  string `json:"text"`  // such as "was 1 ether, is 2 ether"
}

// String returns the change as a line.
func (c Change) String() string { return c.Place + ": " + c.Text }

// Of compares two policies, which must have been loaded without an error.
func Of(before, after []byte) ([]Change, error) {
	var documents [2]*yaml.Node
	for i, source := range [][]byte{before, after} {
		var document yaml.Node
		if err := yaml.Unmarshal(source, &document); err != nil {
			return nil, fmt.Errorf("reading YAML: %w", err)
		}
		documents[i] = &yaml.Node{Kind: yaml.MappingNode}
		if len(document.Content) > 0 {
			documents[i] = document.Content[0]
		}
	}
	d := &differ{}
	d.mappings("", documents[0], documents[1])
	return d.changes, nil
}

// differ collects changes.
type differ struct{ changes []Change }

func (d *differ) add(place, format string, args ...any) {
	d.changes = append(d.changes, Change{Place: place, Text: fmt.Sprintf(format, args...)})
}

// values compares what stands at a place.
func (d *differ) values(place string, before, after *yaml.Node) {
	switch {
	case before.Kind == yaml.MappingNode && after.Kind == yaml.MappingNode:
		d.mappings(place, before, after)
	case before.Kind == yaml.SequenceNode || after.Kind == yaml.SequenceNode:
		d.sets(place, elements(before), elements(after))
	default:
		if was, is := inline(before), inline(after); was != is {
			d.add(place, "was %s, is %s", was, is)
		}
	}
}

// mappings compares key by key.
func (d *differ) mappings(place string, before, after *yaml.Node) {
	for _, key := range keys(before, after) {
		was, is := member(before, key), member(after, key)
		at := join(place, key)
		switch {
		case key == "rules" || key == "budgets" || key == "limits":
			d.named(place, ruled(was, key), ruled(is, key))
		case was == nil:
			d.add(at, "is new: %s", inline(is))
		case is == nil:
			d.add(at, "is gone, was %s", inline(was))
		default:
			d.values(at, was, is)
		}
	}
}

// sets compares lists of which the order does not count.
func (d *differ) sets(place string, before, after []*yaml.Node) {
	was, is := inlines(before), inlines(after)
	if added := without(is, was); len(added) > 0 {
		d.add(place, "adds %s", strings.Join(added, ", "))
	}
	if removed := without(was, is); len(removed) > 0 {
		d.add(place, "removes %s", strings.Join(removed, ", "))
	}
}

// thing is an element of a list whose elements have names.
type thing struct {
	name string // such as "rule pay"
	node *yaml.Node
}

// ruled names the elements of a list: by id, or by measure and place.
func ruled(list *yaml.Node, key string) []thing {
	if list == nil {
		return nil
	}
	var things []thing
	for i, node := range list.Content {
		name := fmt.Sprintf("%s %d", strings.TrimSuffix(key, "s"), i+1)
		for _, label := range []string{"id", "measure"} {
			if value := member(node, label); value != nil {
				name = strings.TrimSuffix(key, "s") + " " + value.Value
				break
			}
		}
		for slices.ContainsFunc(things, func(t thing) bool { return t.name == name }) {
			name += "'"
		}
		things = append(things, thing{name, node})
	}
	return things
}

// named compares lists whose elements have names, and the order of what both have.
func (d *differ) named(place string, before, after []thing) {
	find := func(in []thing, name string) *yaml.Node {
		for _, t := range in {
			if t.name == name {
				return t.node
			}
		}
		return nil
	}
	var wasOrder, isOrder []string
	for _, t := range before {
		at := strings.TrimPrefix(place+", "+t.name, ", ")
		if find(after, t.name) == nil {
			d.add(at, "is gone, was %s", inline(t.node))
			continue
		}
		wasOrder = append(wasOrder, t.name)
	}
	for _, t := range after {
		at := strings.TrimPrefix(place+", "+t.name, ", ")
		was := find(before, t.name)
		if was == nil {
			d.add(at, "is new: %s", inline(t.node))
			continue
		}
		isOrder = append(isOrder, t.name)
		d.values(at, was, t.node)
	}
	if place == "" && !slices.Equal(wasOrder, isOrder) {
		d.add("order", "was %s, is %s", strings.Join(wasOrder, ", "), strings.Join(isOrder, ", "))
	}
}
