package extapi

import (
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

var (
	// nameForm is what types and members may be called. EIP-712 asks for
	// identifiers; the characters beyond them occur in use (as in
	// "HyperliquidTransaction:UsdSend"). None of them has a meaning in the
	// encoding of a type, so two types can't share an encoding.
	nameForm = regexp.MustCompile(`^[A-Za-z_$@][A-Za-z0-9_$@:.-]*$`)

	// primitiveForm is every name that looks like a primitive type, of a valid
	// size or not.
	primitiveForm = regexp.MustCompile(`^(address|bool|string|(bytes|u?int)([0-9]*))$`)
)

// anyLength is the length of a dynamic array.
const anyLength = -1

// fieldType is a member's type, parsed: a base and the lengths of its array
// dimensions, the outermost last, as written.
type fieldType struct {
	base    string
	lengths []int
}

// parseFieldType reads a type such as "Person", "uint256[]" or "bytes32[2][3]".
func parseFieldType(text string) (fieldType, error) {
	base, rest, isArray := strings.Cut(text, "[")
	if !nameForm.MatchString(base) || len(base) > maxNameBytes {
		return fieldType{}, refuse("unknown reference type %q", clip(text))
	}
	parsed := fieldType{base: base}
	if !isArray {
		return parsed, nil
	}
	rest, closed := strings.CutSuffix(rest, "]")
	if !closed {
		return fieldType{}, refuse("unknown reference type %q", clip(text))
	}
	for _, digits := range strings.Split(rest, "][") {
		length := anyLength
		if digits != "" {
			var err error
			if length, err = strconv.Atoi(digits); err != nil || length < 1 || digits != strconv.Itoa(length) {
				return fieldType{}, refuse("unknown reference type %q", clip(text))
			}
		}
		parsed.lengths = append(parsed.lengths, length)
	}
	if len(parsed.lengths) > maxTypedDataDepth {
		return fieldType{}, refuse("type %q has more than %d dimensions", clip(text), maxTypedDataDepth)
	}
	return parsed, nil
}

// element returns the type of an array's elements.
func (t fieldType) element() fieldType {
	return fieldType{base: t.base, lengths: t.lengths[:len(t.lengths)-1]}
}

// String returns the type as written.
func (t fieldType) String() string {
	var text strings.Builder
	text.WriteString(t.base)
	for _, length := range t.lengths {
		if length == anyLength {
			text.WriteString("[]")
			continue
		}
		text.WriteString("[" + strconv.Itoa(length) + "]")
	}
	return text.String()
}

// optionalValue reports whether a value of the type may hold no base value at
// all, which is what ends a recursive type.
func (t fieldType) optionalValue() bool {
	for _, length := range t.lengths {
		if length == anyLength {
			return true
		}
	}
	return false
}

// structField is a member of a struct type: its type as written, and parsed.
type structField struct {
	name string
	text string
	kind fieldType
}

// typeTable is the types of a document, checked and parsed.
type typeTable struct {
	definitions apitypes.Types
	structs     map[string][]structField
	hashes      map[string]common.Hash // type hashes, as far as they were needed
}

// newTypeTable checks the types of a document: names, references, and that
// every type can have a value.
func newTypeTable(definitions apitypes.Types) (*typeTable, error) {
	table := &typeTable{
		definitions: definitions,
		structs:     make(map[string][]structField, len(definitions)),
		hashes:      make(map[string]common.Hash, len(definitions)),
	}
	for _, name := range sortedNames(definitions) {
		if err := checkTypeName(name); err != nil {
			return nil, err
		}
		fields, err := table.parseFields(name)
		if err != nil {
			return nil, err
		}
		table.structs[name] = fields
	}
	state := make(map[string]visit, len(definitions))
	for _, name := range sortedNames(definitions) {
		if err := table.checkInhabited(name, state); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// checkTypeName refuses names that are no identifiers, and names of primitive
// types, which would turn a value into a struct.
func checkTypeName(name string) error {
	switch {
	case name == "":
		return refuse("empty type key")
	case len(name) > maxNameBytes || !nameForm.MatchString(name):
		return refuse("type name %q is not an identifier", clip(name))
	case primitiveForm.MatchString(name):
		return refuse("type name %q is that of a primitive type", name)
	default:
		return nil
	}
}

// parseFields checks and parses the members of one type. The texts of the
// first four errors are go-ethereum's.
func (t *typeTable) parseFields(typeName string) ([]structField, error) {
	fields := make([]structField, 0, len(t.definitions[typeName]))
	seen := make(map[string]bool, len(t.definitions[typeName]))
	for i, field := range t.definitions[typeName] {
		switch {
		case field.Type == "":
			return nil, refuse("type %q:%d: empty Type", typeName, i)
		case field.Name == "":
			return nil, refuse("type %q:%d: empty Name", typeName, i)
		case field.Type == typeName:
			return nil, refuse("type %q cannot reference itself", typeName)
		case len(field.Name) > maxNameBytes || !nameForm.MatchString(field.Name):
			return nil, refuse("type %q: member name %q is not an identifier", typeName, clip(field.Name))
		case seen[field.Name]:
			return nil, refuse("type %q: member %q is defined twice", typeName, field.Name)
		}
		seen[field.Name] = true
		kind, err := parseFieldType(field.Type)
		if err != nil {
			return nil, err
		}
		if err := t.checkReference(kind.base, field.Type); err != nil {
			return nil, err
		}
		fields = append(fields, structField{name: field.Name, text: field.Type, kind: kind})
	}
	return fields, nil
}

// checkReference refuses a base type that is neither primitive nor defined.
func (t *typeTable) checkReference(base, text string) error {
	if primitiveForm.MatchString(base) {
		if !validPrimitive(base) {
			return refuse("unknown primitive type %q", clip(text))
		}
		return nil
	}
	if _, defined := t.definitions[base]; !defined {
		return refuse("reference type %q is undefined", clip(text))
	}
	return nil
}

// visit is the state of a type in the search for cycles.
type visit uint8

const (
	unseen visit = iota
	open
	done
)

// checkInhabited refuses a type that contains itself otherwise than through a
// dynamic array: no finite message can be of that type.
func (t *typeTable) checkInhabited(name string, state map[string]visit) error {
	state[name] = open
	for _, field := range t.structs[name] {
		base := field.kind.base
		if _, isStruct := t.structs[base]; !isStruct || field.kind.optionalValue() || state[base] == done {
			continue
		}
		if state[base] == open {
			return refuse("type %q cannot reference itself", base)
		}
		if err := t.checkInhabited(base, state); err != nil {
			return err
		}
	}
	state[name] = done
	return nil
}

// typeHash returns keccak256(encodeType(name)) as EIP-712 defines it.
func (t *typeTable) typeHash(name string) common.Hash {
	hash, known := t.hashes[name]
	if !known {
		hash = crypto.Keccak256Hash([]byte(t.encodeType(name)))
		t.hashes[name] = hash
	}
	return hash
}

// encodeType returns name(type₁ name₁,…) followed by the types it refers to,
// sorted by name.
func (t *typeTable) encodeType(name string) string {
	reached := map[string]bool{name: true}
	queue, others := []string{name}, []string{}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		for _, field := range t.structs[current] {
			base := field.kind.base
			if _, isStruct := t.structs[base]; isStruct && !reached[base] {
				reached[base] = true
				queue, others = append(queue, base), append(others, base)
			}
		}
	}
	sort.Strings(others)
	var text strings.Builder
	for _, member := range append([]string{name}, others...) {
		t.writeType(&text, member)
	}
	return text.String()
}

// writeType writes name(type₁ name₁,…).
func (t *typeTable) writeType(text *strings.Builder, name string) {
	text.WriteString(name + "(")
	for i, field := range t.definitions[name] {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(field.Type + " " + field.Name)
	}
	text.WriteByte(')')
}
