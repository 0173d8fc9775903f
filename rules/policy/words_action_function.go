package policy

import (
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// functionWord is about calls of a method whose signature the policy gives.
func functionWord() word {
	return word{
		key: "function", level: aboutAction, doc: "a call that is exactly one of a method, such as transfer(address to, uint256 amount)", shape: patternShape(`^[^()]+\(.*\)$`),
		parse: func(p *parser, node *yaml.Node) predicate {
			text, ok := p.text(node, "function")
			if !ok {
				return nil
			}
			f, err := parseFunction(text)
			if err != nil {
				p.errorf(node, "function: %s is no signature such as transfer(address to, uint256 amount): %s", quoted(text), clip(err.Error()))
				return nil
			}
			return &atom{
				word: "function", wants: f.method.Sig, ask: f.test,
				shows: func(s *subject) string {
					if f.test(s) == unknown && len(s.action.Data) >= 4 {
						return f.method.RawName + " with arguments that do not fit"
					}
					return shownData(s)
				},
			}
		},
	}
}

// test asks whether the action is a call of the function.
func (f *function) test(s *subject) truth {
	got, known := selectorOf(s)
	switch {
	case known != isTrue:
		return known
	case got != f.method.Selector():
		return isFalse
	}
	if _, ok := f.arguments(s.action); !ok {
		return unknown
	}
	return isTrue
}

// arguments returns those of a call of the function, if they are its.
func (f *function) arguments(a *facts.Action) ([]any, bool) {
	if a.Call != nil && a.Call.Method == f.method.Sig {
		return a.Call.Arguments, true
	}
	values, err := f.method.Unpack(a.Data)
	return values, err == nil
}
