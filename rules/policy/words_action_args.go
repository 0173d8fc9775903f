package policy

import "go.yaml.in/yaml/v3"

// argsWord compares the arguments of the function that stands beside it.
func argsWord() word {
	return word{
		key: "args", level: aboutAction, doc: "arguments of the function, by their names or places, with points before what is within them",
		shape: shape{"$ref": "#/$defs/members"},
		parse: func(p *parser, node *yaml.Node) predicate {
			beside := p.sibling("function")
			if beside == nil {
				p.errorf(node, "args: these are the arguments of a function, which is missing: add function: \"transfer(address to, uint256 amount)\"")
				return nil
			}
			f, err := parseFunction(beside.Value)
			if err != nil {
				return nil // the word function says so
			}
			arguments, ok := p.members(node, "args", f.tuple())
			if !ok {
				return nil
			}
			return &atom{
				word: "args", wants: arguments.want(), parts: partsOf("args "+f.method.Sig, arguments, f.called), compares: arguments,
				ask: func(s *subject) truth {
					values, known := f.called(s)
					if known != isTrue {
						return known
					}
					return arguments.holds(s, values)
				},
				shows: func(s *subject) string {
					values, ok := f.arguments(s)
					if !ok {
						return shownData(s)
					}
					return shownMembers(arguments, values)
				},
			}
		},
	}
}
