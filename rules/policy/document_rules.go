package policy

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules"
)

// maxDescription bounds the description of a rule, in bytes.
const maxDescription = 1000

func (p *parser) rules(to *Policy, node *yaml.Node, limits map[string]int) {
	if node == nil {
		return
	}
	lines := make(map[string]int)
	for i, element := range p.elements(node, "rules", maxRules) {
		if p.full() {
			return
		}
		rule := p.rule(element, fmt.Sprintf("rules[%d]", i), limits)
		if line, again := lines[rule.ID]; again && rule.ID != "" {
			p.errorf(element, "rule %s: the id is that of the rule on line %d", rule.ID, line)
		}
		lines[rule.ID] = element.Line
		to.rules = append(to.rules, rule)
	}
}

// rule reads one rule. What is wrong with it is noted.
func (p *parser) rule(node *yaml.Node, what string, limits map[string]int) Rule {
	rule := Rule{Line: node.Line}
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if id := node.Content[i+1].Value; node.Content[i].Value == "id" && nameForm.MatchString(id) {
				what = "rule " + id
			}
		}
	}
	found := p.fields(node, what, "id", "description", "effect", "mode", "match", "limits", "approvals", "over_limit", "js", "accept")
	if node.Kind != yaml.MappingNode {
		return rule
	}
	p.require(node, what, found, "id", "effect", "match")
	rule.ID = p.id(found["id"], what)
	if node := found["description"]; node != nil {
		rule.Description, _ = p.text(node, what+": description")
		if len(rule.Description) > maxDescription {
			p.errorf(node, "%s: the description has more than %d bytes", what, maxDescription)
		}
	}
	effect := "deny"
	if node := found["effect"]; node != nil {
		effect = p.choice(node, what+": effect", "allow", "deny")
	}
	if effect == "allow" {
		rule.Effect = Allow
	}
	if node := found["mode"]; node != nil {
		rule.Shadow = p.choice(node, what+": mode", "enforce", "shadow") == "shadow"
	}
	if node := found["match"]; node != nil {
		rule.Match = p.matching(node, what+": match", effect == "allow", false)
	}
	p.consequences(&rule, what, found, limits)
	if node := found["accept"]; node != nil {
		rule.Accepts = p.acceptances(node, what+": accept")
	}
	return rule
}

// acceptances reads the warnings that a rule accepts, each with a reason. An id
// of none is a warning itself: newer and older versions have others.
func (p *parser) acceptances(node *yaml.Node, what string) []Acceptance {
	var all []Acceptance
	for _, e := range p.entries(node, what) {
		reason, ok := p.text(e.value, what+"."+e.key)
		switch {
		case !nameForm.MatchString(e.key):
			p.errorf(e.name, "%s: %s is no id of a warning", what, quoted(e.key))
		case !ok:
		case strings.TrimSpace(reason) == "":
			p.errorf(e.value, "%s.%s: say why: the reason is empty", what, e.key)
		case len(reason) > maxDescription:
			p.errorf(e.value, "%s.%s: the reason has more than %d bytes", what, e.key, maxDescription)
		default:
			all = append(all, Acceptance{ID: e.key, Reason: reason, Line: e.name.Line})
		}
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.errorf(node, "%s: it is empty: want the id of a warning and a reason, or nothing", what)
	}
	return all
}

// consequences reads what an allow rule has besides its match.
func (p *parser) consequences(rule *Rule, what string, found map[string]*yaml.Node, limits map[string]int) {
	for _, key := range []string{"limits", "approvals", "over_limit", "js"} {
		if node := found[key]; node != nil && rule.Effect == Deny && found["effect"] != nil {
			p.errorf(node, "%s: %s is for rules that allow", what, key)
		}
	}
	if node := found["limits"]; node != nil {
		for i, element := range p.elements(node, what+": limits", maxLimits) {
			l := p.limit(element, fmt.Sprintf("%s: limits[%d]", what, i), rule.ID, limits)
			rule.Limits = append(rule.Limits, l)
		}
	}
	if node := found["approvals"]; node != nil {
		if rule.Approvals = p.group(node, what+": approvals"); rule.Approvals != nil {
			rule.asked = []*rules.Quorum{rule.Approvals}
		}
	}
	if node := found["over_limit"]; node != nil {
		over := p.fields(node, what+": over_limit", "approvals")
		if p.require(node, what+": over_limit", over, "approvals") {
			rule.OverLimit = p.group(over["approvals"], what+": over_limit.approvals")
		}
		if found["limits"] == nil {
			p.errorf(node, "%s: over_limit without limits never happens", what)
		}
	}
	if node := found["js"]; node != nil {
		rule.Script, _ = p.text(node, what+": js")
		if strings.ContainsAny(rule.Script, `/\`) || rule.Script == "" {
			p.errorf(node, "%s: js: want the name of the rule file, without a folder, not %s", what, quoted(rule.Script))
		}
	}
}

// elements returns the elements of what must be a list of at most so many.
func (p *parser) elements(node *yaml.Node, what string, most int) []*yaml.Node {
	switch {
	case node.Kind != yaml.SequenceNode:
		p.errorf(node, "%s: want a list, not %s", what, kindOf(node))
	case len(node.Content) == 0:
		p.errorf(node, "%s: the list is empty", what)
	case len(node.Content) > most:
		p.errorf(node, "%s: there are %d, and may be %d", what, len(node.Content), most)
	default:
		return node.Content
	}
	return nil
}

// id returns a good name of a rule or a limit, "" if there is none.
func (p *parser) id(node *yaml.Node, what string) string {
	if node == nil {
		return ""
	}
	id, ok := p.text(node, what+": id")
	if ok && !nameForm.MatchString(id) {
		p.errorf(node, "%s: %s is no id: want a letter, then letters, digits and _.-, 64 in all", what, quoted(id))
		return ""
	}
	return id
}
