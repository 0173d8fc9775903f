package policy

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"go.yaml.in/yaml/v3"
)

// operators are the keys of a comparison.
func operators() []string {
	return []string{"eq", "in", "not", "max", "min", "within", "prefix", "length_max", "any", "all", "member"}
}

// maxPath bounds a path to a member, in bytes.
const maxPath = 256

// comparison reads a comparison with an argument, or with a value whose type is
// only known when a request comes: that of the zero parameter. A single value or a
// list stands for eq and in.
func (p *parser) comparison(node *yaml.Node, what string, of parameter) (comparison, bool) {
	if node.Kind != yaml.MappingNode {
		return p.values(node, what, of.kind)
	}
	var all every
	entries := p.entries(node, what)
	ok := len(entries) > 0
	if len(node.Content) == 0 {
		p.errorf(node, "%s: want one of %s", what, strings.Join(operators(), ", "))
	}
	for _, e := range entries {
		made, good := p.operator(e, what+"."+e.key, of)
		if !good {
			ok = false
			continue
		}
		all = append(all, made)
	}
	if len(all) == 1 {
		return all[0], ok
	}
	return all, ok
}

// operator reads one key of a comparison.
func (p *parser) operator(e entry, what string, of parameter) (comparison, bool) {
	kind := of.kind
	switch e.key {
	case "eq", "in":
		return p.values(e.value, what, kind)
	case "not":
		made, ok := p.comparison(e.value, what, of)
		return not{made}, ok
	case "max", "min":
		number, text, ok := p.quantity(e.value, what, kind)
		return extent{number, text, e.key == "max"}, ok
	case "within":
		made, ok := p.span(e.value, what, time.Second, maxSoon)
		return soon{made}, ok && p.numeric(e.value, what, kind)
	case "prefix":
		return p.prefix(e.value, what, kind)
	case "length_max":
		if kind != "" && kind != "string" && kind != "bytes" && !strings.HasSuffix(kind, "]") {
			p.errorf(e.name, "%s: lists, bytes and text have a length, and the value is of the type %s", what, kind)
			return nil, false
		}
		most, ok := p.integer(e.value, what, 1<<32)
		return shorter(most), ok
	case "any", "all":
		if kind != "" && !strings.HasSuffix(kind, "]") {
			p.errorf(e.name, "%s: lists have elements, and the value is of the type %s", what, kind)
			return nil, false
		}
		made, ok := p.comparison(e.value, what, of.element())
		return elements{made, e.key == "all"}, ok
	case "member":
		if kind != "" && (!strings.HasPrefix(kind, "(") || strings.HasSuffix(kind, "]")) {
			p.errorf(e.name, "%s: tuples have members, and the value is of the type %s", what, kind)
			return nil, false
		}
		return p.members(e.value, what, of)
	default:
		p.errorf(e.name, "%s: unknown comparison %s%s", what, quoted(e.key), didYouMean(e.key, operators()))
		return nil, false
	}
}

// element is the type of the elements of an array.
func (a parameter) element() parameter {
	if i := strings.LastIndexByte(a.kind, '['); i > 0 {
		return parameter{kind: a.kind[:i], members: a.members}
	}
	return parameter{}
}

var pathForm = regexp.MustCompile(`^[A-Za-z0-9_$]+(\.[A-Za-z0-9_$]+)*$`)

// members reads comparisons by the path of each value. In a tuple whose type is
// known the paths lead through it by names and places.
func (p *parser) members(node *yaml.Node, what string, of parameter) (comparison, bool) {
	var all every
	entries := p.entries(node, what)
	ok := len(entries) > 0
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.errorf(node, "%s: want paths and comparisons, such as details.token: USDC", what)
	}
	for _, e := range entries {
		if !pathForm.MatchString(e.key) || len(e.key) > maxPath {
			p.errorf(e.name, "%s: %s is no path: want names or places with points between them, such as details.token or 0.3", what, quoted(e.key))
			ok = false
			continue
		}
		parts, found := strings.Split(e.key, "."), parameter{}
		if of.kind != "" {
			var err error
			if parts, found, err = of.resolve(parts); err != nil {
				p.errorf(e.name, "%s: %s", what, err)
				ok = false
				continue
			}
		}
		made, good := p.comparison(e.value, what+"."+e.key, found)
		ok = ok && good
		all = append(all, member{e.key, parts, made})
	}
	return all, ok
}

// values reads literals, one of which must be there.
func (p *parser) values(node *yaml.Node, what, kind string) (comparison, bool) {
	var all values
	elements := p.list(node, what)
	ok := len(elements) > 0
	for _, element := range elements {
		made, good := p.literal(element, what, kind)
		ok = ok && good
		all = append(all, made)
	}
	return all, ok
}

// literal reads a value. Where the type is known it must be one of it.
func (p *parser) literal(node *yaml.Node, what, kind string) (literal, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return literal{}, false
	}
	l := literal{text: text, self: text == wordSelf}
	if raw, err := hexutil.Decode(text); err == nil {
		l.raw, l.isRaw = raw, true
	}
	switch {
	case kind == "address" || kind == "" && p.namesAddress(text):
		set, ok := p.addresses(node, what, wordSelf)
		l.addresses = set.set
		return l, ok
	case isNumeric(kind) || kind == "" && p.isNumber(text):
		l.number, _, ok = p.quantity(node, what, kind)
		return l, ok
	case fixedForm.MatchString(kind) && l.isRaw:
		return l, p.sized(node, what, kind, l.raw)
	case kind == "bool" && text != "true" && text != "false":
		p.errorf(node, "%s: want true or false, not %s", what, quoted(text))
		return l, false
	case strings.HasPrefix(kind, "bytes") && !strings.HasSuffix(kind, "]") && !l.isRaw:
		p.errorf(node, "%s: want 0x and pairs of hexadecimal digits, not %s", what, quoted(text))
		return l, false
	case strings.HasSuffix(kind, "]") || strings.HasPrefix(kind, "("):
		p.errorf(node, "%s: the value is of the type %s: compare its elements with any or all, or its members", what, kind)
		return l, false
	}
	return l, true
}

// prefix reads what a text or bytes begin with.
func (p *parser) prefix(node *yaml.Node, what, kind string) (prefixed, bool) {
	if kind != "" && kind != "string" && kind != "bytes" && !fixedForm.MatchString(kind) {
		p.errorf(node, "%s: text and bytes begin with something, and the value is of the type %s", what, kind)
		return prefixed{}, false
	}
	text, ok := p.text(node, what)
	if ok && text == "" {
		p.errorf(node, "%s: everything begins with nothing", what)
		return prefixed{}, false
	}
	l := literal{text: text}
	if raw, err := hexutil.Decode(text); err == nil {
		l.raw, l.isRaw = raw, true
	} else if kind != "" && kind != "string" && ok {
		p.errorf(node, "%s: want 0x and pairs of hexadecimal digits, not %s", what, quoted(text))
		return prefixed{}, false
	}
	return prefixed{l}, ok
}

// namesAddress tells whether a text means addresses, where the type is not known.
func (p *parser) namesAddress(text string) bool {
	_, account := p.scope.accounts[text]
	_, list := p.scope.lists[text]
	return account || list || text == wordSelf || strings.HasPrefix(text, "0x") && common.IsHexAddress(text)
}

// isNumber tells whether a text is a number or an amount.
func (p *parser) isNumber(text string) bool {
	if numberForm.MatchString(text) {
		return true
	}
	found := amountForm.FindStringSubmatch(text)
	if found == nil {
		return false
	}
	_, wei := weiUnits()[found[3]]
	_, token := p.scope.tokens[found[3]]
	return wei || token
}

// quantity reads a number: plain, or an amount with a unit.
func (p *parser) quantity(node *yaml.Node, what, kind string) (number *big.Int, text string, ok bool) {
	if !p.numeric(node, what, kind) {
		return nil, "", false
	}
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, " ") {
		a, ok := p.amount(node, what, inWei|inTokens)
		return a.value.ToBig(), a.text, ok
	}
	n, ok := p.number(node, what)
	return n, node.Value, ok && p.fits(node, what, kind, n)
}

// integerForm is a type of whole numbers.
var integerForm = regexp.MustCompile(`^(u?)int([0-9]{1,3})?$`)

// fits notes a number that no value of a type has.
func (p *parser) fits(node *yaml.Node, what, kind string, n *big.Int) bool {
	found := integerForm.FindStringSubmatch(kind)
	if found == nil {
		return true
	}
	bits := 256
	if found[2] != "" {
		bits, _ = strconv.Atoi(found[2]) // three digits at most
	}
	signed := found[1] == ""
	within := n.Sign() >= 0 && n.BitLen() <= bits
	if signed {
		within = n.BitLen() < bits || n.Sign() < 0 && new(big.Int).Add(n, big.NewInt(1)).BitLen() < bits
	}
	if !within {
		p.errorf(node, "%s: %s is no %s", what, clip(node.Value), kind)
	}
	return within
}

var fixedForm = regexp.MustCompile(`^bytes([0-9]{1,2})$`)

// sized notes bytes that no value of a type has.
func (p *parser) sized(node *yaml.Node, what, kind string, raw []byte) bool {
	found := fixedForm.FindStringSubmatch(kind)
	if len(found) == 0 || found[1] == strconv.Itoa(len(raw)) {
		return true
	}
	p.errorf(node, "%s: want 0x and the digits of %s bytes, as the type is %s, not %s", what, found[1], kind, quoted(node.Value))
	return false
}

// numeric notes a comparison of numbers with a value that is none.
func (p *parser) numeric(node *yaml.Node, what, kind string) bool {
	if kind != "" && !isNumeric(kind) {
		p.errorf(node, "%s: numbers are compared here, and the value is of the type %s", what, kind)
		return false
	}
	return true
}

// isNumeric tells whether a type is of numbers.
func isNumeric(kind string) bool {
	return !strings.HasSuffix(kind, "]") && (strings.HasPrefix(kind, "uint") || strings.HasPrefix(kind, "int"))
}

// comparisonShape is what a comparison looks like.
func comparisonShape() shape {
	scalar := shape{"type": []any{"string", "integer", "boolean"}}
	properties := map[string]any{"within": textShape(), "length_max": integerShape()}
	for _, name := range []string{"eq", "in"} {
		properties[name] = oneOrMore(scalar)
	}
	for _, name := range []string{"max", "min", "prefix"} {
		properties[name] = scalar
	}
	for _, name := range []string{"not", "any", "all"} {
		properties[name] = shape{"$ref": "#/$defs/comparison"}
	}
	properties["member"] = shape{"$ref": "#/$defs/members"}
	return anyOfShapes(oneOrMore(scalar), shape{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties})
}

// membersShape is what comparisons by path look like.
func membersShape() shape {
	return shape{"type": "object", "minProperties": 1, "additionalProperties": shape{"$ref": "#/$defs/comparison"}, "propertyNames": shape{"pattern": pathForm.String()}}
}
