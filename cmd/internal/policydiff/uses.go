package policydiff

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// use is where a name stands.
type use struct {
	widens  bool // where more in a list of the name allows more
	narrows bool // where it allows less
}

// listed is the direction of more in a list, by the rules that name it.
func (d *differ) listed(name string) Direction {
	before, after := used(d.before, name), used(d.after, name)
	switch widens, narrows := before.widens || after.widens, before.narrows || after.narrows; {
	case widens && narrows:
		return Changed
	case widens:
		return Wider
	case narrows:
		return Narrower
	default:
		return Neutral
	}
}

// used tells how a policy uses a name.
func used(policy *yaml.Node, name string) use {
	var found use
	for _, section := range []string{"rules", "budgets"} {
		list := member(policy, section)
		if list == nil {
			continue
		}
		for _, node := range list.Content {
			if section == "rules" && shadow(node) {
				continue
			}
			if match := member(node, "match"); match != nil {
				found.in(match, name, section == "rules" && allows(node))
			}
		}
	}
	return found
}

// in looks for the name in a match, or in a part of it.
func (u *use) in(node *yaml.Node, name string, widens bool) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			u.in(node.Content[i+1], name, widens != (node.Content[i].Value == "not"))
		}
	case yaml.SequenceNode:
		for _, element := range node.Content {
			u.in(element, name, widens)
		}
	default:
		if node.Value != name {
			return
		}
		if widens {
			u.widens = true
		} else {
			u.narrows = true
		}
	}
}

// countsEvery tells whether a limit of a policy is on every token.
func countsEvery(policy *yaml.Node) bool {
	var limits []*yaml.Node
	if budgets := member(policy, "budgets"); budgets != nil {
		limits = append(limits, budgets.Content...)
	}
	if rules := member(policy, "rules"); rules != nil {
		for _, rule := range rules.Content {
			if of := member(rule, "limits"); of != nil {
				limits = append(limits, of.Content...)
			}
		}
	}
	return slices.ContainsFunc(limits, func(limit *yaml.Node) bool {
		return valueOf(limit, "measure") == "amount" && member(limit, "token") == nil && integerForm.MatchString(valueOf(limit, "max"))
	})
}
