package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// callWord is about the method, by its name or its signature. A name stands for
// all methods of that name whose meaning is known.
func callWord() word {
	return word{
		key: "call", level: aboutAction, doc: "the method that is called, by the name of one that is known or by its signature; permit for typed data that is one",
		shape: oneOrMore(patternShape(`^[A-Za-z_$][A-Za-z0-9_$]{0,127}(\(.*\))?$`)),
		parse: func(p *parser, node *yaml.Node) predicate {
			methods, ok := p.methods(node)
			if !ok {
				return nil
			}
			return &narrowed{values: methods.keys(), atom: atom{
				word: "call", wants: methods.wants, holds: reach{texts: methods.texts},
				ask: methods.test,
				shows: func(s *subject) string {
					switch {
					case s.action.Name != "" && s.action.Decoding == facts.Unknown:
						return s.action.Name + " with arguments that do not fit"
					case s.action.Name != "":
						return s.action.Name
					default:
						return shownData(s)
					}
				},
			}}
		},
	}
}

// methods are those that a policy names.
type methods struct {
	names      map[string]bool
	signatures []*function
	texts      []string
	wants      string
}

// methods reads the methods of the word call.
func (p *parser) methods(node *yaml.Node) (*methods, bool) {
	texts, ok := p.texts(node, "call")
	found := &methods{names: make(map[string]bool), texts: texts, wants: oneOf(texts...)}
	known := facts.Methods()
	for _, text := range texts {
		if strings.ContainsRune(text, '(') {
			f, err := p.function(text)
			if err != nil {
				p.errorf(node, "call: %s is no signature such as transfer(address,uint256): %s", quoted(text), clip(err.Error()))
				ok = false
				continue
			}
			found.signatures = append(found.signatures, f)
			continue
		}
		if !slices.Contains(known, text) {
			p.errorf(node, "call: %s is no method that is known by its name: write its signature, such as transfer(address,uint256)%s", quoted(text), didYouMean(text, known))
			ok = false
		}
		found.names[text] = true
	}
	return found, ok
}

// keys are the selectors of the methods. A name has none: typed data has names too.
func (m *methods) keys() keys {
	if len(m.names) > 0 {
		return keys{}
	}
	found := keys{by: bySelector}
	for _, f := range m.signatures {
		found.numbers = append(found.numbers, numberOf(f.method.Selector()))
	}
	return found
}

// test asks whether the action calls one of the methods.
func (m *methods) test(s *subject) truth {
	answer := isFalse
	for _, f := range m.signatures {
		switch f.test(s) {
		case isTrue:
			return isTrue
		case unknown:
			answer = unknown
		}
	}
	switch {
	case len(m.names) == 0:
		return answer
	case s.action.Decoding == facts.Unknown:
		return unknown
	case m.names[s.action.Name]:
		return isTrue
	default:
		return answer
	}
}
