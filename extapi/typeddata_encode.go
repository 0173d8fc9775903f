package extapi

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// encoded is a value of a document in its three forms, made in one walk so that
// what is shown is what is signed.
type encoded struct {
	word  common.Hash // encodeData of EIP-712
	shown any         // string, or []*apitypes.NameValueType
	value any         // as in the document; numbers as decimal text
}

// encodedDocument is a document that passed all checks.
type encodedDocument struct {
	digest   common.Hash
	preimage []byte // 0x19 0x01 ‖ domain separator ‖ hash of the message
	messages []*apitypes.NameValueType
	document *apitypes.TypedData
	chainID  *big.Int // of the domain; nil if it names none
}

// encodeTypedData checks a document and returns its EIP-712 digest with what
// rules and people see of it.
//
// The hashing is ours: go-ethereum's panics on null elements, accepts arrays of
// the wrong length or dimension and numbers beyond their type, refuses empty
// domain members, and checks all types again at every struct. Where it takes a
// document that passes here, both agree.
func encodeTypedData(d *TypedData) (*encodedDocument, error) {
	table, err := newTypeTable(d.types)
	if err != nil {
		return nil, err
	}
	if d.undefinedDomain() {
		return nil, refuse("domain is undefined")
	}
	if d.primaryType == domainType {
		// Clef hashes the domain twice, eth-sig-util and viem once.
		return nil, refuse("primaryType %s is not signed: wallets disagree on its digest", domainType)
	}
	domain, err := table.encodeStruct(domainType, d.declaredDomain(table))
	if err != nil {
		return nil, err
	}
	message, err := table.encodeStruct(d.primaryType, d.message)
	if err != nil {
		return nil, err
	}
	preimage := append(append([]byte{0x19, 0x01}, domain.word[:]...), message.word[:]...)
	content, _ := message.value.(map[string]any)
	return &encodedDocument{
		digest:   crypto.Keccak256Hash(preimage),
		preimage: preimage,
		messages: []*apitypes.NameValueType{
			{Name: domainType, Value: domain.shown, Typ: "domain"},
			{Name: d.primaryType, Value: message.shown, Typ: "primary type"},
		},
		chainID: d.chainID(),
		document: &apitypes.TypedData{
			Types: d.types, PrimaryType: d.primaryType, Domain: d.apiDomain(), Message: content,
		},
	}, nil
}

// declaredDomain returns the domain without the empty members that its type
// doesn't name: Clef takes those for absent.
func (d *TypedData) declaredDomain(table *typeTable) map[string]any {
	declared := make(map[string]bool, len(d.domain))
	for _, field := range table.structs[domainType] {
		declared[field.name] = true
	}
	domain := make(map[string]any, len(d.domain))
	for name, value := range d.domain {
		if value != "" || declared[name] {
			domain[name] = value
		}
	}
	return domain
}

// encodeStruct returns keccak256(typeHash ‖ enc(value₁) ‖ … ‖ enc(valueₙ)).
// Every member must be there, and no other.
func (t *typeTable) encodeStruct(name string, members map[string]any) (encoded, error) {
	fields, defined := t.structs[name]
	if len(members) > len(fields) {
		return encoded{}, refuse("there is extra data provided in the message (%d < %d)", len(fields), len(members))
	}
	if !defined {
		return encoded{}, refuse("type %q is not defined in types", clip(name))
	}
	var (
		shown = make([]*apitypes.NameValueType, 0, len(fields))
		value = make(map[string]any, len(fields))
		hash  = t.typeHash(name)
		words = append(make([]byte, 0, 32*(len(fields)+1)), hash[:]...)
	)
	for _, field := range fields {
		member, err := t.encodeValue(field.kind, members[field.name])
		if err != nil {
			return encoded{}, err
		}
		words = append(words, member.word[:]...)
		shown = append(shown, &apitypes.NameValueType{Name: field.name, Value: shownMember(field.kind, member), Typ: field.text})
		value[field.name] = member.value
	}
	return encoded{word: crypto.Keccak256Hash(words), shown: shown, value: value}, nil
}

// encodeValue encodes an array, a struct or a primitive value. The depth of the
// recursion is that of the document, which decodeTree bounds.
func (t *typeTable) encodeValue(kind fieldType, value any) (encoded, error) {
	if len(kind.lengths) > 0 {
		return t.encodeArray(kind, value)
	}
	if _, isStruct := t.structs[kind.base]; !isStruct {
		return encodePrimitive(kind.base, value)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return encoded{}, mismatch(kind.base, value)
	}
	return t.encodeStruct(kind.base, members)
}

// encodeArray returns keccak256(enc(element₁) ‖ … ‖ enc(elementₙ)).
func (t *typeTable) encodeArray(kind fieldType, value any) (encoded, error) {
	elements, ok := value.([]any)
	if !ok {
		return encoded{}, mismatch(kind.String(), value)
	}
	if length := kind.lengths[len(kind.lengths)-1]; length != anyLength && length != len(elements) {
		return encoded{}, refuse("array of %d elements doesn't match type '%s'", len(elements), kind)
	}
	var (
		inner  = kind.element()
		name   = inner.String()
		words  = make([]byte, 0, 32*len(elements))
		shown  = make([]*apitypes.NameValueType, 0, len(elements))
		values = make([]any, 0, len(elements))
	)
	for i, element := range elements {
		item, err := t.encodeValue(inner, element)
		if err != nil {
			return encoded{}, err
		}
		words = append(words, item.word[:]...)
		shown = append(shown, &apitypes.NameValueType{Name: strconv.Itoa(i), Value: item.shown, Typ: name})
		values = append(values, item.value)
	}
	return encoded{word: crypto.Keccak256Hash(words), shown: shownElements(shown), value: values}, nil
}

// shownElements is how an array appears to rules and people: element by
// element, named by index; an empty array is null, as in Clef.
func shownElements(elements []*apitypes.NameValueType) any {
	if len(elements) == 0 {
		return nil
	}
	return elements
}

// shownMember is how a member appears. An array of bytes is Clef's
// "[0x… 0x…]", which says everything. It is made here, once for all dimensions:
// made at each, it would copy the document as often as arrays are nested.
func shownMember(kind fieldType, member encoded) any {
	elements, isArray := member.value.([]any)
	if isArray && len(elements) > 0 && strings.HasPrefix(kind.base, "bytes") && primitiveForm.MatchString(kind.base) {
		return fmt.Sprintf("%v", elements)
	}
	return member.shown
}
