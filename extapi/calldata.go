package extapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"github.com/kvclef/kvclef/rules"
)

// decodeCall decodes call data as a call of the method with a given signature.
// It fails, in fourbyte's words,
// if the data is not exactly the encoding of such a call.
func decodeCall(signature string, data []byte) (call *rules.Call, err error) {
	// The ABI decoder works by reflection on types that a caller may choose.
	defer func() {
		if crash := recover(); crash != nil {
			call, err = nil, errors.New("the ABI signature can't be used")
		}
	}()
	input := data[4:]
	marshaled, err := marshalSelector(signature)
	if err != nil {
		return nil, err
	}
	if len(input)%32 != 0 {
		return nil, fmt.Errorf("invalid call data; length should be a multiple of 32 bytes (was %d)", len(input))
	}
	method, err := methodOf(marshaled)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(method.ID, data[:4]) {
		return nil, fmt.Errorf("no method with id: %#x", data[:4])
	}
	if !bounded(method.Inputs, input) {
		return nil, fmt.Errorf("signature %q matches, but the arguments decode to far more than the call data", method.String())
	}
	values, err := method.Inputs.UnpackValues(input)
	if err != nil {
		return nil, fmt.Errorf("signature %q matches, but arguments mismatch: %w", method.String(), err)
	}
	// What was decoded must be all there is: else data could hide behind it.
	encoded, err := method.Inputs.PackValues(values)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(encoded, input) {
		return nil, fmt.Errorf("WARNING: Supplied data is stuffed with extra data. \nWant %s\nHave %s\nfor method %v", hex.EncodeToString(input), hex.EncodeToString(encoded), method.Sig)
	}
	return newCall(method, values), nil
}

// parseMethod makes the method of a signature.
func parseMethod(signature string) (*abi.Method, error) {
	marshaled, err := marshalSelector(signature)
	if err != nil {
		return nil, err
	}
	return methodOf(marshaled)
}

// marshalSelector makes the JSON ABI of a signature.
func marshalSelector(signature string) ([]byte, error) {
	selector, err := abi.ParseSelector(signature)
	if err != nil {
		return nil, fmt.Errorf("failed to parse selector: %w", err)
	}
	if depth := nesting(selector.Inputs); depth > maxNesting {
		return nil, fmt.Errorf("types are nested %d deep, at most %d are decoded", depth, maxNesting)
	}
	return json.Marshal([]abi.SelectorMarshaling{selector})
}

// methodOf makes the one method of a JSON ABI.
func methodOf(marshaled []byte) (*abi.Method, error) {
	parsed, err := abi.JSON(bytes.NewReader(marshaled))
	if err != nil {
		return nil, fmt.Errorf("invalid method signature (%q): %w", marshaled, err)
	}
	for _, method := range parsed.Methods {
		return &method, nil
	}
	return nil, fmt.Errorf("invalid method signature (%q)", marshaled)
}

// newCall describes a call with its decoded arguments.
func newCall(method *abi.Method, values []any) *rules.Call {
	types, arguments := make([]string, len(values)), make([]string, len(values))
	for i, value := range values {
		types[i] = method.Inputs[i].Type.String()
		arguments[i] = fmt.Sprintf("%v: %v", types[i], value)
	}
	return &rules.Call{
		Selector:  [4]byte(method.ID),
		Method:    method.Sig,
		Types:     types,
		Arguments: values,
		Text:      fmt.Sprintf("%s(%s)", method.RawName, strings.Join(arguments, ",")),
	}
}
