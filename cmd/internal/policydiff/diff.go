// Package policydiff says in words what differs between two policies, and whether
// that allows more or less. It compares what is written, rule by rule, and not
// how: comments, the order of keys and lists, and capitals of addresses don't
// count. The order of allow rules does.
//
// Each change is judged by itself. What a rule no longer matches may match a later
// one, and only trying requests tells: the package never decides any.
package policydiff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Change is one difference.
type Change struct {
	Direction Direction `json:"direction"`
	Place     string    `json:"place"` // such as "rule pay: match.value_max"
	Text      string    `json:"text"`  // such as "was 1 ether, is 2 ether"
}

// String returns the change as a line.
func (c Change) String() string { return c.Direction.String() + ": " + c.Place + ": " + c.Text }

// Of compares two policies, which must have been loaded without an error. What
// allows more comes first, and what changes no decision last.
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
		spell(documents[i])
	}
	d := &differ{before: documents[0], after: documents[1]}
	d.policy()
	slices.SortStableFunc(d.changes, func(a, b Change) int { return cmp.Compare(a.Direction.rank(), b.Direction.rank()) })
	return d.changes, nil
}

// differ collects changes.
type differ struct {
	before, after *yaml.Node // the policies
	changes       []Change
	muted         bool // what is compared decides nothing
}

func (d *differ) add(direction Direction, place, format string, args ...any) {
	if d.muted {
		direction = Neutral
	}
	d.changes = append(d.changes, Change{Direction: direction, Place: place, Text: fmt.Sprintf(format, args...)})
}

// appears notes what is in one of the two alone, and tells whether it is: a key
// that appears has the direction, and one that goes has the opposite.
func (d *differ) appears(direction Direction, place string, before, after *yaml.Node) bool {
	switch {
	case before == nil:
		d.add(direction, place, "is new: %s", inline(after))
	case after == nil:
		d.add(direction.opposite(), place, "is gone, was %s", inline(before))
	default:
		return false
	}
	return true
}

// replaced compares values of which it is not known which one is wider.
func (d *differ) replaced(direction Direction, place string, before, after *yaml.Node) {
	if was, is := inline(before), inline(after); was != is {
		d.add(direction, place, "was %s, is %s", was, is)
	}
}

// sets compares lists of which the order does not count. More in them has the
// direction.
func (d *differ) sets(more Direction, place string, before, after *yaml.Node) {
	was, is := inlines(elements(before)), inlines(elements(after))
	if added := without(is, was); len(added) > 0 {
		d.add(more, place, "adds %s", strings.Join(added, ", "))
	}
	if removed := without(was, is); len(removed) > 0 {
		d.add(more.opposite(), place, "removes %s", strings.Join(removed, ", "))
	}
}

// bounds compares numbers, amounts, spans or times. A larger one has the
// direction.
func (d *differ) bounds(larger Direction, place string, before, after *yaml.Node) {
	order, ok := compare(before, after)
	switch {
	case !ok:
		d.replaced(Changed, place, before, after)
	case order != 0:
		if order < 0 {
			larger = larger.opposite()
		}
		d.replaced(larger, place, before, after)
	}
}
