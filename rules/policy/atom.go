package policy

import (
	"fmt"
	"strings"

	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"
)

// atom is a predicate made of functions.
type atom struct {
	word  string
	wants string
	ask   func(s *subject) truth
	shows func(s *subject) string
	holds reach
	parts []predicate // of which each must hold for it to

	compares comparison // of arguments or members; nil: none
	chained  bool       // it is true on chains alone that the policy names
}

func (a *atom) key() string           { return a.word }
func (a *atom) want() string          { return a.wants }
func (a *atom) test(s *subject) truth { return a.ask(s) }
func (a *atom) got(s *subject) string { return a.shows(s) }

// reach is for which values a predicate is true, as far as it can be compared
// with others of its key. The zero reach is not known. Of bounds of one key, side
// and unit, a request that fails one fails all narrower ones, with false or with
// what is unknown: decisions rely on that.
type reach struct {
	texts []string     // for these alone
	bound *uint256.Int // up to it, or from it on
	upper bool
	unit  string // of a token; bounds of different tokens don't compare
}

// onChains reports whether a predicate is true on chains alone that the policy names.
func (a *atom) onChains() bool { return a.chained }

// reaches is the reach of a predicate that has one.
func (a *atom) reaches() reach { return a.holds }

// consists returns what an atom is made of.
func (a *atom) consists() []predicate { return a.parts }

// comparison returns what an atom compares members with.
func (a *atom) comparison() comparison { return a.compares }

// narrowed is an atom that rules are found by.
type narrowed struct {
	atom
	values keys
}

func (n *narrowed) narrows() keys { return n.values }

// is turns a fact into a truth.
func is(fact bool) truth {
	if fact {
		return isTrue
	}
	return isFalse
}

// oneOf describes a set in words.
func oneOf(texts ...string) string {
	if len(texts) == 1 {
		return texts[0]
	}
	return "one of " + strings.Join(texts, ", ")
}

// Shapes of values, for editors.
func textShape() shape { return shape{"type": "string", "minLength": 1} }

func booleanShape() shape { return shape{"type": "boolean"} }

func integerShape() shape { return shape{"type": "integer", "minimum": 0} }

func choiceShape(values ...string) shape {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return shape{"enum": all}
}

func patternShape(pattern string) shape { return shape{"type": "string", "pattern": pattern} }

func weiShape() shape {
	return patternShape(`^(0|[1-9][0-9]{0,77})(\.[0-9]{1,18})? +(wei|gwei|ether)$`)
}

func amountShape() shape {
	return patternShape(`^(0|[1-9][0-9]{0,77})(\.[0-9]{1,77})? +[^ ]+$`)
}

// addressShape is a name or an address.
func addressShape() shape { return patternShape(`^(0x[0-9a-fA-F]{40}|[A-Za-z][A-Za-z0-9_.-]{0,63})$`) }

// oneOrMore is a value, or a list of such.
func oneOrMore(element shape) shape {
	return shape{"anyOf": []any{element, shape{"type": "array", "items": element, "minItems": 1}}}
}

// anyOfShapes is one of several shapes.
func anyOfShapes(shapes ...shape) shape {
	all := make([]any, len(shapes))
	for i, s := range shapes {
		all[i] = s
	}
	return shape{"anyOf": all}
}

// textWord is a word about the request: one of several texts.
func textWord(key, doc string, element shape, read func(p *parser, node *yaml.Node) ([]string, bool), value func(s *subject) (string, bool)) word {
	return word{key: key, doc: doc, shape: oneOrMore(element), parse: func(p *parser, node *yaml.Node) predicate {
		texts, ok := read(p, node)
		if !ok {
			return nil
		}
		set := make(map[string]bool)
		for _, text := range texts {
			set[text] = true
		}
		return &atom{
			word: key, wants: oneOf(texts...), holds: reach{texts: texts},
			ask: func(s *subject) truth {
				got, applies := value(s)
				return is(applies && set[got])
			},
			shows: func(s *subject) string {
				got, applies := value(s)
				if !applies {
					return notThere
				}
				return fmt.Sprintf("%q", got)
			},
		}
	}}
}

// notThere says that a predicate does not apply.
const notThere = "nothing of that"
