package policy

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

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
			arguments, ok := p.arguments(f, node)
			if !ok {
				return nil
			}
			return &atom{
				word: "args", wants: arguments.want(),
				ask: func(s *subject) truth {
					if got := f.test(s); got != isTrue {
						return got
					}
					values, _ := f.arguments(s.action)
					return arguments.holds(s, values)
				},
				shows: func(s *subject) string {
					values, ok := f.arguments(s.action)
					if !ok {
						return shownData(s)
					}
					return shownMembers(arguments, values)
				},
			}
		},
	}
}

// arguments reads what must hold for arguments of a function.
func (p *parser) arguments(f *function, node *yaml.Node) (every, bool) {
	entries := p.entries(node, "args")
	ok := len(entries) > 0
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.errorf(node, "args: want names or places of arguments, with what must hold for each")
	}
	var all every
	for _, e := range entries {
		places, kind, err := f.resolve(e.key)
		if err != nil {
			p.errorf(e.name, "args: %s", err)
			ok = false
			continue
		}
		made, good := p.comparison(e.value, "args."+e.key, kind)
		ok = ok && good
		all = append(all, member{e.key, strings.Split(places, "."), made})
	}
	return all, ok
}
