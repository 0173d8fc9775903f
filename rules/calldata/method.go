// Package calldata decodes call data: exactly, or not at all. Data that is not
// the one encoding of its arguments is an error, and so is data that would
// decode to far more than itself.
//
// The package never guesses a method: its signature is given.
package calldata

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// Method is a method that calls can be decoded by. It is safe for concurrent
// use, and never changes.
type Method struct {
	*abi.Method
	types []string // canonical, of the arguments
}

// Parse makes the method of a signature, such as "transfer(address,uint256)".
// The decoder works by reflection on types that a caller may choose: each that
// is an array or a tuple stays in the memory of the process.
func Parse(signature string) (method *Method, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			method, err = nil, errUnusable
		}
	}()
	selector, err := parseSelector(signature)
	if err != nil {
		return nil, err
	}
	return methodOf(selector)
}

// Selector is the first four bytes of the call data of a method with a signature. No types
// are made for it, so that a signature that is not that of some call data costs nothing.
func Selector(signature string) (id [4]byte, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			id, err = [4]byte{}, errUnusable
		}
	}()
	selector, err := parseSelector(signature)
	if err != nil {
		return id, err
	}
	return selectorOf(selector), nil
}

func selectorOf(selector abi.SelectorMarshaling) [4]byte {
	return [4]byte(crypto.Keccak256([]byte(selector.Name + typesOf(selector.Inputs))))
}

// typesOf is how a signature has types.
func typesOf(inputs []abi.ArgumentMarshaling) string {
	types := make([]string, len(inputs))
	for i, input := range inputs {
		types[i] = input.Type
		if suffix, tuple := strings.CutPrefix(input.Type, "tuple"); tuple {
			types[i] = typesOf(input.Components) + suffix
		}
	}
	return "(" + strings.Join(types, ",") + ")"
}

// Decode decodes call data of at least four bytes as a call of the method with
// a signature, for one that is used once.
func Decode(signature string, data []byte) (call *rules.Call, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			call, err = nil, errUnusable
		}
	}()
	selector, err := parseSelector(signature)
	if err != nil {
		return nil, err
	}
	if err := whole(data[4:]); err != nil {
		return nil, err // before types are made
	}
	if selectorOf(selector) != [4]byte(data) {
		return nil, otherMethod(selector, data) // likewise
	}
	method, err := methodOf(selector)
	if err != nil {
		return nil, err
	}
	return method.Decode(data)
}

// whole checks that arguments are a number of words.
func whole(input []byte) error {
	if len(input)%32 != 0 {
		return fmt.Errorf("invalid call data; length should be a multiple of 32 bytes (was %d)", len(input))
	}
	return nil
}

var errUnusable = errors.New("the ABI signature can't be used")

// parseSelector reads a signature.
func parseSelector(signature string) (abi.SelectorMarshaling, error) {
	selector, err := abi.ParseSelector(signature)
	if err != nil {
		return selector, fmt.Errorf("failed to parse selector: %w", err)
	}
	if depth := nesting(selector.Inputs); depth > MaxNesting {
		return selector, fmt.Errorf("types are nested %d deep, at most %d are decoded", depth, MaxNesting)
	}
	return selector, nil
}

const badSignature = "invalid method signature (%q): %w"

// methodOf makes the method of a signature.
func methodOf(selector abi.SelectorMarshaling) (*Method, error) {
	marshaled, err := json.Marshal([]abi.SelectorMarshaling{selector})
	if err != nil {
		return nil, err
	}
	parsed, err := abi.JSON(bytes.NewReader(marshaled))
	if err != nil {
		return nil, fmt.Errorf(badSignature, marshaled, err)
	}
	for _, method := range parsed.Methods {
		types := make([]string, len(method.Inputs))
		for i, input := range method.Inputs {
			types[i] = input.Type.String()
		}
		return &Method{Method: &method, types: types}, nil
	}
	return nil, fmt.Errorf("invalid method signature (%q)", marshaled)
}

// Selector is the first four bytes of the method's call data.
func (m *Method) Selector() [4]byte { return [4]byte(m.ID) }

// Decode decodes call data of at least four bytes as a call of the method. It
// fails, in fourbyte's words, if the data is not exactly the encoding of such a
// call.
func (m *Method) Decode(data []byte) (*rules.Call, error) {
	values, err := m.Unpack(data)
	if err != nil {
		return nil, err
	}
	return m.describe(values), nil
}

// Unpack is Decode without the description for people. The values are those
// of accounts/abi.
func (m *Method) Unpack(data []byte) (values []any, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			values, err = nil, errUnusable
		}
	}()
	if len(data) < 4 {
		return nil, fmt.Errorf("call data of %d bytes has no selector", len(data))
	}
	input := data[4:]
	if err := whole(input); err != nil {
		return nil, err
	}
	if !bytes.Equal(m.ID, data[:4]) {
		return nil, fmt.Errorf(noMethod, data[:4])
	}
	if !bounded(m.Inputs, input) {
		return nil, fmt.Errorf("signature %q matches, but the arguments decode to far more than the call data", m.String())
	}
	values, err = m.Inputs.UnpackValues(input)
	if err != nil {
		return nil, fmt.Errorf("signature %q matches, but arguments mismatch: %w", m.String(), err)
	}
	// What was decoded must be all there is: else data could hide behind it.
	encoded, err := m.Inputs.PackValues(values)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(encoded, input) {
		return nil, fmt.Errorf("WARNING: Supplied data is stuffed with extra data. \nWant %s\nHave %s\nfor method %v", hex.EncodeToString(input), hex.EncodeToString(encoded), m.Sig)
	}
	return values, nil
}

const noMethod = "no method with id: %#x"

// otherMethod is the error about call data that is not of a signature. As in fourbyte, types
// that there are not are told first.
func otherMethod(selector abi.SelectorMarshaling, data []byte) error {
	wrong := checkTypes(selector.Inputs)
	if wrong == nil {
		return fmt.Errorf(noMethod, data[:4])
	}
	marshaled, err := json.Marshal([]abi.SelectorMarshaling{selector})
	if err != nil {
		return err
	}
	return fmt.Errorf(badSignature, marshaled, wrong)
}

// checkTypes looks for types that there are not. Go types are made of tuples alone, so it
// looks at their members.
func checkTypes(inputs []abi.ArgumentMarshaling) error {
	for _, input := range inputs {
		if strings.HasPrefix(input.Type, "tuple") && len(input.Components) > 0 {
			if err := checkTypes(input.Components); err != nil {
				return err
			}
		} else if _, err := abi.NewType(input.Type, input.InternalType, nil); err != nil {
			return err
		}
	}
	return nil
}

// Call is the call with arguments that Unpack returned, without a text for
// people.
func (m *Method) Call(values []any) *rules.Call {
	return &rules.Call{Selector: m.Selector(), Method: m.Sig, Types: m.types, Arguments: values}
}

// describe is the call with its text.
func (m *Method) describe(values []any) *rules.Call {
	arguments := make([]string, len(values))
	for i, value := range values {
		arguments[i] = fmt.Sprintf("%v: %v", m.types[i], value)
	}
	call := m.Call(values)
	call.Text = fmt.Sprintf("%s(%s)", m.RawName, strings.Join(arguments, ","))
	return call
}
