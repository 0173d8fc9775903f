package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/suggest"
)

// parser reads one file. It notes every problem and goes on, so that all of
// them are told at once.
type parser struct {
	scope    *scope
	problems []Problem
	meant    int        // addresses, in all sets
	lost     *yaml.Node // of a word without a predicate: there must be a problem then

	called map[[4]byte][]string // signatures of methods, by their selectors

	match *yaml.Node // the one being read, for words that need another of it
	allow bool       // it is of a rule that allows: what holds must hold for all

	shared map[spelling]shared // what was made of a word, for all that write the same
	looked bool                // at what stands beside the word
}

// maxNoted bounds the problems that are noted: reading ends soon after.
const maxNoted = 3 * maxProblems

// full tells whether there are so many problems that no more is read.
func (p *parser) full() bool { return len(p.problems) >= maxNoted }

// errorf notes a problem at a node.
func (p *parser) errorf(node *yaml.Node, format string, args ...any) {
	if !p.full() {
		p.problems = append(p.problems, Problem{Line: max(1, node.Line), Column: max(1, node.Column), Text: clipTo(fmt.Sprintf(format, args...), maxText)})
	}
}

// sibling returns what stands at another key of the match that is being read,
// nil if it is not there.
func (p *parser) sibling(key string) *yaml.Node {
	p.looked = true
	if p.match == nil {
		return nil
	}
	for i := 0; i+1 < len(p.match.Content); i += 2 {
		if p.match.Content[i].Value == key {
			return p.match.Content[i+1]
		}
	}
	return nil
}

// entry is a key with its value.
type entry struct {
	key         string
	name, value *yaml.Node
}

// entries returns what a mapping holds, each key once. Empty values are noted
// and left out.
func (p *parser) entries(node *yaml.Node, what string) []entry {
	if node.Kind != yaml.MappingNode {
		p.errorf(node, "%s: want keys and values, not %s", what, kindOf(node))
		return nil
	}
	var found []entry
	seen := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		first, again := seen[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			p.errorf(name, "%s: want a name here, not %s", what, kindOf(name))
		case again:
			p.errorf(name, "%s: %s stands here twice, first on line %d: remove one", what, clip(name.Value), first)
		case empty(value):
			p.errorf(value, "%s.%s: nothing stands here: remove the line, or give a value", what, clip(name.Value))
		default:
			found = append(found, entry{name.Value, name, value})
		}
		if !again {
			seen[name.Value] = name.Line
		}
	}
	return found
}

// fields returns the values of a mapping that has these keys and no others.
func (p *parser) fields(node *yaml.Node, what string, keys ...string) map[string]*yaml.Node {
	values := make(map[string]*yaml.Node)
	for _, e := range p.entries(node, what) {
		if !slices.Contains(keys, e.key) {
			p.errorf(e.name, "%s: unknown key %s%s", what, quoted(e.key), didYouMean(e.key, keys))
			continue
		}
		values[e.key] = e.value
	}
	return values
}

// require notes each of the keys that is not there. What has no keys at all was
// noted before.
func (p *parser) require(node *yaml.Node, what string, values map[string]*yaml.Node, keys ...string) bool {
	if node.Kind != yaml.MappingNode {
		return false
	}
	complete := true
	for _, key := range keys {
		if values[key] == nil && !p.standsIn(node, key) {
			p.errorf(node, "%s: %s is missing", what, key)
		}
		complete = complete && values[key] != nil
	}
	return complete
}

// standsIn tells whether a mapping has a key, though its value may be bad.
func (p *parser) standsIn(node *yaml.Node, key string) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return true
		}
	}
	return false
}

// list returns the elements of a list that is not empty. A single value is a
// list of one.
func (p *parser) list(node *yaml.Node, what string) []*yaml.Node {
	if node.Kind != yaml.SequenceNode {
		return []*yaml.Node{node}
	}
	if len(node.Content) == 0 {
		p.errorf(node, "%s: the list is empty, so that it would match nothing: name something or remove the line", what)
		return nil
	}
	var found []*yaml.Node
	for _, element := range node.Content {
		if empty(element) {
			p.errorf(element, "%s: an element is empty", what)
			continue
		}
		found = append(found, element)
	}
	return found
}

// empty tells whether nothing stands at a node.
func empty(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// kindOf names what stands at a node.
func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return quoted(node.Value)
	}
}

// Bounds of what is shown, in characters.
const (
	maxShown = 80  // a text of the file
	maxText  = 500 // a problem
)

// clip makes a text of the file fit to be shown.
func clip(text string) string { return clipTo(text, maxShown) }

func clipTo(text string, most int) string {
	if len(text) > most { // of bytes, so perhaps of characters
		if runes := []rune(text[:min(len(text), 4*most+4)]); len(runes) > most {
			text = string(runes[:most]) + "…"
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, strings.ToValidUTF8(text, "�"))
}

func quoted(text string) string { return strconv.Quote(clip(text)) }

// maxCandidates bounds the names that one is compared with to find the nearest.
const maxCandidates = 1000

// didYouMean suggests a name, unless there are too many to choose from.
func didYouMean(name string, candidates []string) string {
	if len(candidates) > maxCandidates {
		return ""
	}
	if meant := otherWords()[name]; slices.Contains(candidates, meant) {
		return "; did you mean " + meant
	}
	for _, side := range []string{"max", "min"} { // max_value is value_max
		if of, first := strings.CutPrefix(name, side+"_"); first && slices.Contains(candidates, of+"_"+side) {
			return "; did you mean " + of + "_" + side
		}
	}
	return suggest.DidYouMean("", name, candidates)
}

// otherWords are what others call the words of a policy.
func otherWords() map[string]string {
	return map[string]string{
		"action": "effect", "period": "window", "interval": "window", "duration": "window", "contract": "to", "from": "account", "sender": "account",
		"chain_id": "chain", "gas_limit": "gas_max", "gas_price_max": "fee_cap_max", "max_gas_price": "fee_cap_max", "max_fee": "fee_cap_max",
	}
}
