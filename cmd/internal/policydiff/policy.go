package policydiff

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// policy compares section by section.
func (d *differ) policy() {
	for _, key := range keys(d.before, d.after) {
		was, is := member(d.before, key), member(d.after, key)
		switch key {
		case "rules":
			d.named("", things(was, "rule"), things(is, "rule"), ruleAppears, d.rule)
			d.order(was, is)
		case "budgets":
			d.named("", things(was, "budget"), things(is, "budget"), func(*yaml.Node) Direction { return Narrower }, d.budget)
		case "lists":
			d.names(key, was, is, func(name, place string, was, is *yaml.Node) { d.sets(d.listed(name), place, was, is) })
		case "approvals":
			d.names(key, was, is, func(_, place string, was, is *yaml.Node) { d.group(place, was, is) })
		case "tokens":
			d.names(key, was, is, func(_, place string, was, is *yaml.Node) { d.replacedEach(place, was, is) })
		case "chains", "accounts":
			d.names(key, was, is, func(_, place string, was, is *yaml.Node) { d.replaced(Changed, place, was, is) })
		default:
			if !d.appears(Changed, key, was, is) {
				d.replaced(Changed, key, was, is)
			}
		}
	}
}

// names compares a section of names. One that is new or gone decides nothing by
// itself, unless what it stands for was something else.
func (d *differ) names(section string, before, after *yaml.Node, compare func(name, place string, was, is *yaml.Node)) {
	for _, name := range keys(before, after) {
		place := join(section, name)
		was, is := member(before, name), member(after, name)
		if was != nil && is != nil {
			compare(name, place, was, is)
			continue
		}
		elsewhere := d.after
		if was == nil {
			elsewhere = d.before
		}
		direction := Neutral
		if used(elsewhere, name) != (use{}) || section == "tokens" && d.counted(was, is) {
			direction = Changed
		}
		d.appears(direction, place, was, is)
	}
}

// counted tells whether a token that is in one of the two policies alone may make a
// limit count something else: a limit on every token counts 1 for one of a
// collection.
func (d *differ) counted(was, is *yaml.Node) bool {
	if standard := valueOf(firstOf(was, is), "standard"); standard != "" && standard != "erc20" {
		return true
	}
	return countsEvery(d.before) || countsEvery(d.after)
}

// replacedEach compares key by key.
func (d *differ) replacedEach(place string, before, after *yaml.Node) {
	for _, key := range keys(before, after) {
		was, is := member(before, key), member(after, key)
		if at := join(place, key); !d.appears(Changed, at, was, is) {
			d.replaced(Changed, at, was, is)
		}
	}
}

// group compares a group of people who approve.
func (d *differ) group(place string, before, after *yaml.Node) {
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		switch {
		case key == "wait":
			if !d.appears(Neutral, at, was, is) {
				d.replaced(Neutral, at, was, is)
			}
		case d.appears(Changed, at, was, is):
		case key == "threshold":
			d.bounds(Narrower, at, was, is)
		case key == "of":
			d.sets(Wider, at, was, is)
		case key == "expires":
			d.bounds(Wider, at, was, is)
		case key == "requester" && is.Value == "included":
			d.replaced(Wider, at, was, is)
		case key == "requester":
			d.replaced(Narrower, at, was, is)
		default:
			d.replaced(Changed, at, was, is)
		}
	}
}

// thing is an element of a list whose elements have names.
type thing struct {
	name string // such as "rule pay"
	node *yaml.Node
}

// things names the elements of a list: by id, or by measure and place.
func things(list *yaml.Node, kind string) []thing {
	if list == nil {
		return nil
	}
	var all []thing
	taken := make(map[string]bool)
	for i, node := range list.Content {
		name := fmt.Sprintf("%s %d", kind, i+1)
		for _, label := range []string{"id", "measure"} {
			if value := member(node, label); value != nil {
				name = kind + " " + value.Value
				break
			}
		}
		for taken[name] {
			name += "'"
		}
		taken[name] = true
		all = append(all, thing{name, node})
	}
	return all
}

// named compares lists whose elements have names.
func (d *differ) named(place string, before, after []thing, appears func(*yaml.Node) Direction, compare func(place string, was, is *yaml.Node)) {
	was, is := make(map[string]*yaml.Node), make(map[string]*yaml.Node)
	for _, t := range before {
		was[t.name] = t.node
	}
	for _, t := range after {
		is[t.name] = t.node
	}
	at := func(t thing) string { return strings.TrimPrefix(place+", "+t.name, ", ") }
	for _, t := range before {
		if is[t.name] == nil {
			d.appears(appears(t.node), at(t), t.node, nil)
		}
	}
	for _, t := range after {
		if was[t.name] == nil {
			d.appears(appears(t.node), at(t), nil, t.node)
			continue
		}
		compare(at(t), was[t.name], t.node)
	}
}

// order compares the order of the allow rules that both have: the first that
// matches decides.
func (d *differ) order(before, after *yaml.Node) {
	was, is := allowing(before), allowing(after)
	removed, added := without(was, is), without(is, was)
	was, is = without(was, removed), without(is, added)
	if !slices.Equal(was, is) {
		d.add(Changed, "order", "was %s, is %s", strings.Join(was, ", "), strings.Join(is, ", "))
	}
}

// allowing are the names of the rules of a list that allow.
func allowing(list *yaml.Node) []string {
	var all []string
	for _, t := range things(list, "rule") {
		if allows(t.node) && !shadow(t.node) {
			all = append(all, t.name)
		}
	}
	return all
}
