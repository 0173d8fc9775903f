package extapi

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// domainType is the type of a document's domain (EIP-712).
const domainType = "EIP712Domain"

// TypedData is the second parameter of account_signTypedData: an EIP-712
// document, decoded strictly. Decoding checks the JSON; checking the values
// against their types is encodeTypedData's.
type TypedData struct {
	types       apitypes.Types
	primaryType string
	domain      map[string]any
	message     map[string]any
}

// UnmarshalJSON decodes a document. Member names are exact, none may be unknown
// or occur twice. A null is an empty document, as in Clef.
func (d *TypedData) UnmarshalJSON(raw []byte) error {
	tree, err := decodeTree(raw)
	if err != nil {
		return err
	}
	if tree == nil {
		*d = TypedData{}
		return nil
	}
	document, ok := tree.(map[string]any)
	if !ok {
		return fmt.Errorf("json: cannot unmarshal %s into Go value of type apitypes.TypedData", jsonKind(tree))
	}
	if err := knownMembers("typed data", document, "types", "primaryType", "domain", "message"); err != nil {
		return err
	}
	var decoded TypedData
	if decoded.types, err = decodeTypes(document["types"]); err != nil {
		return err
	}
	if decoded.primaryType, err = optional[string](document, "primaryType"); err != nil {
		return err
	}
	if decoded.domain, err = decodeDomain(document); err != nil {
		return err
	}
	if decoded.message, err = optional[map[string]any](document, "message"); err != nil {
		return err
	}
	*d = decoded
	return nil
}

// hasArrays reports whether a type of the document has an array.
func (d *TypedData) hasArrays() bool {
	for _, fields := range d.types {
		if slices.ContainsFunc(fields, func(field apitypes.Type) bool { return strings.Contains(field.Type, "[") }) {
			return true
		}
	}
	return false
}

// decodeTypes reads the member "types": name → list of {name, type}.
func decodeTypes(tree any) (apitypes.Types, error) {
	if tree == nil {
		return apitypes.Types{}, nil
	}
	definitions, ok := tree.(map[string]any)
	if !ok {
		return nil, kindError(tree, "types", "object")
	}
	if len(definitions) > maxTypedDataTypes {
		return nil, fmt.Errorf("typed data has %d types: at most %d", len(definitions), maxTypedDataTypes)
	}
	types, size := make(apitypes.Types, len(definitions)), 0
	for _, name := range sortedNames(definitions) {
		fields, err := decodeFields(name, definitions[name])
		if err != nil {
			return nil, err
		}
		types[name], size = fields, size+len(name)
		for _, field := range fields {
			size += len(field.Name) + len(field.Type)
		}
	}
	if size > maxTypeBytes {
		return nil, fmt.Errorf("the types of the typed data take %d bytes: at most %d", size, maxTypeBytes)
	}
	return types, nil
}

// decodeFields reads the members of one type.
func decodeFields(typeName string, tree any) ([]apitypes.Type, error) {
	list, ok := tree.([]any)
	if !ok {
		return nil, kindError(tree, "types."+clip(typeName), "array")
	}
	if len(list) > maxTypedDataFields {
		return nil, fmt.Errorf("type %q has %d members: at most %d", clip(typeName), len(list), maxTypedDataFields)
	}
	fields := make([]apitypes.Type, 0, len(list))
	for i, element := range list {
		where := fmt.Sprintf("types.%s.%d", clip(typeName), i)
		members, ok := element.(map[string]any)
		if !ok {
			return nil, kindError(element, where, "object")
		}
		if err := knownMembers(where, members, "name", "type"); err != nil {
			return nil, err
		}
		name, err := optional[string](members, "name")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		fieldType, err := optional[string](members, "type")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		fields = append(fields, apitypes.Type{Name: name, Type: fieldType})
	}
	return fields, nil
}

// decodeDomain reads the member "domain". Null members count as absent. The
// chain id becomes *math.HexOrDecimal256; the other members are strings.
func decodeDomain(document map[string]any) (map[string]any, error) {
	members, err := optional[map[string]any](document, "domain")
	if err != nil {
		return nil, err
	}
	if err := knownMembers("domain", members, "name", "version", "chainId", "verifyingContract", "salt"); err != nil {
		return nil, err
	}
	domain := make(map[string]any, len(members))
	for name, value := range members {
		if value == nil {
			continue
		}
		if name == "chainId" {
			chainID, err := parseInteger("uint256", value)
			if err != nil {
				return nil, fmt.Errorf("domain.chainId: %w", err)
			}
			domain[name] = (*math.HexOrDecimal256)(chainID)
			continue
		}
		text, ok := value.(string)
		if !ok {
			return nil, kindError(value, "domain."+name, "string")
		}
		domain[name] = text
	}
	return domain, nil
}

// undefinedDomain reports whether nothing in the domain tells it from others.
func (d *TypedData) undefinedDomain() bool {
	for _, value := range d.domain {
		if value != "" {
			return false
		}
	}
	return true
}

// chainID returns the chain of the domain, nil if it names none.
func (d *TypedData) chainID() *big.Int {
	if id, ok := d.domain["chainId"].(*math.HexOrDecimal256); ok {
		return new(big.Int).Set((*big.Int)(id))
	}
	return nil
}

// apiDomain returns the domain in go-ethereum's form.
func (d *TypedData) apiDomain() apitypes.TypedDataDomain {
	text := func(name string) string {
		value, _ := d.domain[name].(string)
		return value
	}
	return apitypes.TypedDataDomain{
		Name:              text("name"),
		Version:           text("version"),
		ChainId:           (*math.HexOrDecimal256)(d.chainID()),
		VerifyingContract: text("verifyingContract"),
		Salt:              text("salt"),
	}
}

// optional returns a member of a kind; the zero value when it is absent or null.
func optional[T any](members map[string]any, name string) (T, error) {
	var zero T
	tree := members[name]
	if tree == nil {
		return zero, nil
	}
	value, ok := tree.(T)
	if !ok {
		return zero, kindError(tree, name, jsonKind(zero))
	}
	return value, nil
}

// knownMembers refuses members of other names; names are exact.
func knownMembers(where string, members map[string]any, known ...string) error {
	for _, name := range sortedNames(members) {
		found := false
		for _, candidate := range known {
			found = found || candidate == name
		}
		if !found {
			return fmt.Errorf("%s has an unknown member %q: remove it", where, clip(name))
		}
	}
	return nil
}

// kindError says that a member holds a JSON value of the wrong kind.
func kindError(tree any, member, want string) error {
	return fmt.Errorf("json: cannot unmarshal %s into typed data member %s of type %s", jsonKind(tree), member, want)
}

// jsonKind names the kind of a decoded JSON value as encoding/json does.
func jsonKind(tree any) string {
	switch tree.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// sortedNames returns the names of members in a fixed order, so that the same
// input always gets the same error.
func sortedNames[T any](members map[string]T) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
