package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// matching reads a match. Within another one it is about actions alone.
func (p *parser) matching(node *yaml.Node, what string, allow, within bool) Match {
	match := Match{Lines: make(map[string]int)}
	outer := p.match
	p.match, p.allow = node, allow
	defer func() { p.match = outer }()
	entries := p.entries(node, what)
	if node.Kind == yaml.MappingNode && !p.asks(node) {
		p.errorf(node, "%s: it has no words: write any: true to match everything", what)
	}
	table, possible := wordTable(), kinds()
	for _, e := range entries {
		match.Lines[e.key] = e.name.Line
		w, known := table[e.key]
		switch {
		case e.key == wordAny:
			p.anything(e, what)
		case e.key == wordInner:
			p.inner(&match, e, what+".inner", allow)
		case !known:
			p.errorf(e.name, "%s: unknown word %s%s", what, quoted(e.key), didYouMean(e.key, wordKeys(within)))
		case within && w.level == aboutRequest:
			p.errorf(e.name, "%s: %s is about the request as a whole: it stands outside of inner", what, e.key)
		default:
			made := p.made(w, e.value)
			if made == nil {
				p.lost = e.value
			}
			match.add(w.level, made)
			possible = p.possible(possible, w, e, what)
		}
	}
	if allow {
		p.imply(&match, within, possible)
	}
	return match
}

// asks tells whether a match has a word besides inner.
func (p *parser) asks(node *yaml.Node) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != wordInner {
			return true
		}
	}
	return false
}

// anything checks the word that matches everything.
func (p *parser) anything(e entry, what string) {
	value, ok := p.boolean(e.value, what+".any")
	switch {
	case ok && !value:
		p.errorf(e.value, "%s.any: false matches nothing: remove the line", what)
	case len(p.match.Content) > 4 || len(p.match.Content) == 4 && p.sibling(wordInner) == nil:
		p.errorf(e.name, "%s.any: it says that everything matches, and the other words say otherwise: remove one or the other", what)
	}
}

// possible narrows the kinds of request that a match may hold for by a word. A
// match that holds for none is a mistake.
func (p *parser) possible(before []string, w word, e entry, what string) []string {
	of := w.kinds
	if w.key == "kind" {
		of = nil
		for _, element := range p.list(e.value, what) {
			of = append(of, element.Value)
		}
	}
	if of == nil || len(before) == 0 {
		return before
	}
	var left []string
	for _, kind := range before {
		if slices.Contains(of, kind) {
			left = append(left, kind)
		}
	}
	if len(left) == 0 && (w.key != "kind" || known(of)) {
		p.errorf(e.name, "%s: it never matches: %s is about the kind %s, and the words before it about %s",
			what, w.key, strings.Join(of, " or "), strings.Join(before, " or "))
	}
	return left
}

// known tells whether all of these are kinds.
func known(of []string) bool {
	return !slices.ContainsFunc(of, func(kind string) bool { return !slices.Contains(kinds(), kind) })
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
		p.errorf(e.value, "%s: want any, or a list of matches, not %s", what, kindOf(e.value))
		return
	}
	for i, element := range p.elements(e.value, what, maxInner) {
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
