package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/rules/calldata"
)

// maxSignature bounds the signature of a method, in bytes.
const maxSignature = 1024

// function is a method whose signature a policy gives, with the names that its
// arguments have there.
type function struct {
	method     *calldata.Method
	parameters []parameter
}

// parameter is an argument, or a member of a tuple.
type parameter struct {
	name    string
	kind    string      // the canonical type
	members []parameter // of a tuple, or of those in an array
}

var (
	functionForm = regexp.MustCompile(`^ *([A-Za-z_$][A-Za-z0-9_$]*) *(\(.*\)) *$`)
	suffixForm   = regexp.MustCompile(`^((?:\[[0-9]*\])*)(?: +([A-Za-z_$][A-Za-z0-9_$]*))?$`)
	scalarForm   = regexp.MustCompile(`^([a-z0-9]+(?:\[[0-9]*\])*)(?: +([A-Za-z_$][A-Za-z0-9_$]*))?$`)
)

// parseFunction reads a signature, in which arguments may have names.
func parseFunction(text string) (*function, error) {
	if len(text) > maxSignature {
		return nil, fmt.Errorf("it has more than %d bytes", maxSignature)
	}
	found := functionForm.FindStringSubmatch(text)
	if found == nil {
		return nil, errors.New("want a name and types in parentheses")
	}
	parameters, err := parseTuple(found[2], 0)
	if err != nil {
		return nil, err
	}
	method, err := calldata.Parse(found[1] + kindOfTuple(parameters))
	if err != nil {
		return nil, err
	}
	return &function{method: method, parameters: parameters}, nil
}

// function reads a signature that the policy names, and notes it.
func (p *parser) function(text string) (*function, error) {
	f, err := parseFunction(text)
	if err != nil {
		return nil, err
	}
	selector, signature := f.method.Selector(), f.method.Sig
	if !slices.Contains(p.called[selector], signature) {
		p.called[selector] = append(p.called[selector], signature)
	}
	return f, nil
}

// parseTuple reads what stands in parentheses.
func parseTuple(text string, depth int) ([]parameter, error) {
	if depth > calldata.MaxNesting {
		return nil, fmt.Errorf("tuples are nested deeper than %d", calldata.MaxNesting)
	}
	text = strings.TrimSpace(text[1 : len(text)-1])
	if text == "" {
		return nil, nil
	}
	parts, err := splitTypes(text)
	if err != nil {
		return nil, err
	}
	var all []parameter
	for _, part := range parts {
		made, err := parseParameter(strings.TrimSpace(part), depth)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if made.name != "" && all[i].name == made.name {
				return nil, fmt.Errorf("two arguments have the name %s", made.name)
			}
		}
		all = append(all, made)
	}
	return all, nil
}

// splitTypes splits at the commas outside of parentheses.
func splitTypes(text string) ([]string, error) {
	var parts []string
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts, from = append(parts, text[from:i]), i+1
			}
		}
		if depth < 0 {
			break
		}
	}
	if depth != 0 {
		return nil, errors.New("the parentheses are not balanced")
	}
	return append(parts, text[from:]), nil
}

// parseParameter reads a type with a name that may be missing.
func parseParameter(text string, depth int) (parameter, error) {
	if !strings.HasPrefix(text, "(") {
		found := scalarForm.FindStringSubmatch(text)
		if found == nil {
			return parameter{}, fmt.Errorf("%q is no type with a name", text)
		}
		kind := canonical(found[1])
		if !isType(kind) {
			return parameter{}, fmt.Errorf("%q is no type", found[1])
		}
		return parameter{name: found[2], kind: kind}, nil
	}
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return parameter{}, errors.New("the parentheses are not balanced")
	}
	found := suffixForm.FindStringSubmatch(text[end+1:])
	if found == nil {
		return parameter{}, fmt.Errorf("%q is no end of a tuple", text[end+1:])
	}
	members, err := parseTuple(text[:end+1], depth+1)
	if err != nil {
		return parameter{}, err
	}
	return parameter{name: found[2], kind: kindOfTuple(members) + found[1], members: members}, nil
}

// canonical spells a type as selectors are made of it.
func canonical(kind string) string {
	base, arrays := kind, ""
	if i := strings.IndexByte(kind, '['); i >= 0 {
		base, arrays = kind[:i], kind[i:]
	}
	switch base {
	case "uint", "int":
		base += "256"
	case "byte":
		base = "bytes1"
	}
	return base + arrays
}

// isType tells whether there is a canonical type: the package that decodes takes
// some for a type that are none.
func isType(kind string) bool {
	base, _, _ := strings.Cut(kind, "[")
	switch base {
	case "address", "bool", "string", "bytes":
		return true
	}
	for _, sized := range []struct {
		prefix     string
		step, most int
	}{{"uint", 8, 256}, {"int", 8, 256}, {"bytes", 1, 32}} {
		digits, ok := strings.CutPrefix(base, sized.prefix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(digits)
		return err == nil && strconv.Itoa(n) == digits && n > 0 && n <= sized.most && n%sized.step == 0
	}
	return false
}

func kindOfTuple(members []parameter) string {
	kinds := make([]string, len(members))
	for i := range members {
		kinds[i] = members[i].kind
	}
	return "(" + strings.Join(kinds, ",") + ")"
}

// tuple is that of the function's arguments.
func (f *function) tuple() parameter {
	return parameter{kind: kindOfTuple(f.parameters), members: f.parameters}
}

// resolve turns a path of names and places within a tuple into one of places, and
// returns what is there.
func (a parameter) resolve(path []string) (places []string, found parameter, err error) {
	found = a
	for _, segment := range path {
		if found.members == nil || strings.HasSuffix(found.kind, "]") {
			return nil, parameter{}, fmt.Errorf("%s: there is nothing within %s, which is of the type %s: what is within an array is compared by any and all",
				quoted(strings.Join(path, ".")), strings.Join(path[:len(places)], "."), clip(found.kind))
		}
		at := -1
		for i := range found.members {
			if found.members[i].name == segment || strconv.Itoa(i) == segment {
				at = i
			}
		}
		if at < 0 {
			text := fmt.Sprintf("there is no %s in %s%s", quoted(segment), clip(found.kind), didYouMean(segment, namesOf(found.members)))
			if len(path) > 1 {
				text = quoted(strings.Join(path, ".")) + ": " + text
			}
			return nil, parameter{}, errors.New(text)
		}
		places, found = append(places, strconv.Itoa(at)), found.members[at]
	}
	return places, found, nil
}

func namesOf(all []parameter) []string {
	var found []string
	for i := range all {
		if all[i].name != "" {
			found = append(found, all[i].name)
		}
	}
	return found
}
