package policy

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDescription bounds the description of a rule, in bytes.
const maxDescription = 1000

func (p *parser) rules(to *Policy, node *yaml.Node, limits map[string]int) {
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		p.errorf(node, "rules: want a list of rules, not %s", kindOf(node))
		return
	}
	if len(node.Content) > maxRules {
		p.errorf(node, "rules: %d are more than %d", len(node.Content), maxRules)
		return
	}
	lines := make(map[string]int)
	for i, element := range node.Content {
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
	found := p.fields(node, what, "id", "description", "effect", "mode", "match", "limits", "approvals", "over_limit", "js")
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
		effect, _ = p.choice(node, what+": effect", "allow", "deny")
	}
	if effect == "allow" {
		rule.Effect = Allow
	}
	if node := found["mode"]; node != nil {
		mode, _ := p.choice(node, what+": mode", "enforce", "shadow")
		rule.Shadow = mode == "shadow"
	}
	if node := found["match"]; node != nil {
		rule.Match = p.matching(node, what+": match", effect == "allow", false)
	}
	p.consequences(&rule, what, found, limits)
	return rule
}

// consequences reads what an allow rule has besides its match.
func (p *parser) consequences(rule *Rule, what string, found map[string]*yaml.Node, limits map[string]int) {
	for _, key := range []string{"limits", "approvals", "over_limit", "js"} {
		if node := found[key]; node != nil && rule.Effect == Deny && found["effect"] != nil {
			p.errorf(node, "%s: %s is for rules that allow", what, key)
		}
	}
	if node := found["limits"]; node != nil {
		for i, element := range p.elements(node, what+": limits") {
			l := p.limit(element, fmt.Sprintf("%s: limits[%d]", what, i), rule.ID, limits)
			rule.Limits = append(rule.Limits, l)
		}
	}
	if node := found["approvals"]; node != nil {
		rule.Approvals = p.group(node, what+": approvals")
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

// elements returns the elements of what must be a list.
func (p *parser) elements(node *yaml.Node, what string) []*yaml.Node {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		p.errorf(node, "%s: want a list, not %s", what, kindOf(node))
		return nil
	}
	return node.Content
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

// matching reads a match. Within another one it is about actions alone.
func (p *parser) matching(node *yaml.Node, what string, allow, within bool) Match {
	match := Match{Lines: make(map[string]int)}
	outer := p.match
	p.match, p.allow = node, allow
	defer func() { p.match = outer }()
	entries := p.entries(node, what)
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.errorf(node, "%s: it is empty: write any: true to match everything", what)
	}
	table := wordTable()
	for _, e := range entries {
		match.Lines[e.key] = e.name.Line
		w, known := table[e.key]
		switch {
		case e.key == wordAny:
			if value, ok := p.boolean(e.value, what+".any"); ok && !value {
				p.errorf(e.value, "%s.any: false matches nothing: remove the line", what)
			}
		case e.key == wordInner:
			p.inner(&match, e, what+".inner", allow)
		case !known:
			p.errorf(e.name, "%s: unknown word %s%s", what, quoted(e.key), didYouMean(e.key, wordKeys(within)))
		case within && w.level == aboutRequest:
			p.errorf(e.name, "%s: %s is about the request as a whole: it stands outside of inner", what, e.key)
		default:
			match.add(w.level, w.parse(p, e.value))
		}
	}
	return match
}

// wordInner is the key of what may lie within an action.
const wordInner = "inner"

// inner reads what may lie within an action.
func (p *parser) inner(match *Match, e entry, what string, allow bool) {
	if !allow {
		p.errorf(e.name, "%s: a rule that denies and a budget look at every action, also within others: remove inner", what)
		return
	}
	if e.value.Kind == yaml.ScalarNode && e.value.Value == wordAny {
		match.InnerAny = true
		return
	}
	if e.value.Kind != yaml.SequenceNode {
		p.errorf(e.value, "%s: want a list of matches, or any, not %s", what, kindOf(e.value))
		return
	}
	for i, element := range p.elements(e.value, what) {
		match.Inner = append(match.Inner, p.matching(element, fmt.Sprintf("%s[%d]", what, i), allow, true))
	}
}

// add adds a predicate; nil, of a word that was wrong, is left out.
func (m *Match) add(about level, made predicate) {
	if made == nil {
		return
	}
	switch about {
	case aboutRequest:
		m.Request = append(m.Request, made)
	case aboutAction:
		m.Action = append(m.Action, made)
	case aboutEffect:
		m.Effects = append(m.Effects, made)
	}
}
