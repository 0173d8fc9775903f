package policy

import (
	"encoding/binary"

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
			f, err := p.function(text)
			if err != nil {
				p.errorf(node, "function: %s is no signature such as transfer(address to, uint256 amount): %s", quoted(text), clip(err.Error()))
				return nil
			}
			return &narrowed{values: keys{by: bySelector, numbers: []uint64{numberOf(f.method.Selector())}}, atom: atom{
				word: "function", wants: f.method.Sig, ask: f.test,
				shows: func(s *subject) string {
					if f.test(s) == unknown && len(s.action.Data) >= 4 {
						return f.method.RawName + " with arguments that do not fit"
					}
					return shownData(s)
				},
			}}
		},
	}
}

// test asks whether the action is a call of the function.
func (f *function) test(s *subject) truth {
	_, answer := f.called(s)
	return answer
}

// called returns the arguments of the action, if it is a call of the function.
func (f *function) called(s *subject) (arguments any, is truth) {
	got, known := selectorOf(s)
	switch {
	case known != isTrue:
		return nil, known
	case got != f.method.Selector():
		return nil, isFalse
	}
	arguments, ok := f.arguments(s)
	if !ok {
		return nil, unknown
	}
	return arguments, isTrue
}

// decoding is a call, and the function that it is decoded as.
type decoding struct {
	action    *facts.Action
	signature string
}

// decoded are the arguments of a call, if they are those of the function.
type decoded struct {
	values any // a list: as such it is made once
	ok     bool
}

// arguments returns those of a call of the function, if they are its. Each call
// is decoded once, however many rules ask.
func (f *function) arguments(s *subject) (any, bool) {
	as := decoding{s.action, f.method.Sig}
	found, ok := s.decoded[as]
	if ok {
		return found.values, found.ok
	}
	if call := s.action.Call; call != nil && call.Method == f.method.Sig {
		found = decoded{call.Arguments, true}
	} else {
		values, err := f.method.Unpack(s.action.Data)
		found = decoded{values, err == nil}
	}
	if s.decoded == nil {
		s.decoded = make(map[decoding]decoded)
	}
	s.decoded[as] = found
	return found.values, found.ok
}

// numberOf is a selector as a number.
func numberOf(selector [4]byte) uint64 { return uint64(binary.BigEndian.Uint32(selector[:])) }
