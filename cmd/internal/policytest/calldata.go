package policytest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"go.yaml.in/yaml/v3"
)

// callData encodes the call of a method, such as transfer(address,uint256).
func (r *reader) callData(call, args *yaml.Node) ([]byte, error) {
	method, err := methodOf(call.Value)
	if err != nil {
		return nil, at(call, "call: %w", err)
	}
	var given []*yaml.Node
	switch {
	case args == nil:
	case args.Kind != yaml.SequenceNode:
		return nil, at(args, "args: want a list")
	default:
		given = args.Content
	}
	if len(given) != len(method.Inputs) {
		return nil, at(call, "args: %s has %d arguments, not %d", call.Value, len(method.Inputs), len(given))
	}
	values := make([]any, len(given))
	for i, node := range given {
		value := reflect.New(method.Inputs[i].Type.GetType()).Elem()
		if err := r.argument(value, method.Inputs[i].Type, node); err != nil {
			return nil, err
		}
		values[i] = value.Interface()
	}
	packed, err := method.Inputs.Pack(values...)
	if err != nil {
		return nil, at(call, "args: %w", err)
	}
	return append(method.ID, packed...), nil
}

// methodOf reads the signature of a method. The parser of the library indexes
// beyond the end of some texts that are none.
func methodOf(signature string) (method abi.Method, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%q is no method, such as transfer(address,uint256)", signature)
		}
	}()
	if size := fixedSize(signature); size > maxFixed {
		return abi.Method{}, fmt.Errorf("%q has arrays of %d elements, and may have %d", signature, size, maxFixed)
	}
	parsed, err := abi.ParseSelector(strings.ReplaceAll(signature, " ", ""))
	if err != nil {
		return abi.Method{}, fmt.Errorf("%q is no method, such as transfer(address,uint256): %w", signature, err)
	}
	text, err := json.Marshal([]abi.SelectorMarshaling{parsed})
	if err != nil {
		return abi.Method{}, err
	}
	contract, err := abi.JSON(strings.NewReader(string(text)))
	if err != nil {
		return abi.Method{}, fmt.Errorf("%q: %w", signature, err)
	}
	return contract.Methods[parsed.Name], nil
}

// maxFixed bounds the elements of arrays of a fixed length.
const maxFixed = 10_000

// fixedSize is the product of all fixed lengths of a signature, or a number above
// maxFixed.
func fixedSize(signature string) int {
	size := 1
	for _, match := range regexp.MustCompile(`\[([0-9]+)\]`).FindAllStringSubmatch(signature, -1) {
		n, err := strconv.Atoi(match[1])
		if err != nil || n > maxFixed || size*max(n, 1) > maxFixed {
			return maxFixed + 1
		}
		size *= max(n, 1)
	}
	return size
}

// argument reads the value of an argument.
func (r *reader) argument(to reflect.Value, typ abi.Type, node *yaml.Node) error {
	switch typ.T {
	case abi.SliceTy, abi.ArrayTy, abi.TupleTy:
		return r.arguments(to, typ, node)
	}
	if inner := member(node, "call"); inner != nil && typ.T == abi.BytesTy {
		data, err := r.callData(inner, member(node, "args"))
		to.SetBytes(data)
		return err
	}
	if node.Kind != yaml.ScalarNode {
		return at(node, "want a value of the type %s, not several", typ.String())
	}
	text := node.Value
	switch typ.T {
	case abi.AddressTy:
		text = r.names.address(text)
		if !common.IsHexAddress(text) {
			return at(node, "%q is neither an address nor a name of the policy", text)
		}
		to.Set(reflect.ValueOf(common.HexToAddress(text)))
	case abi.BoolTy:
		to.SetBool(node.Value == "true")
	case abi.StringTy:
		to.SetString(text)
	case abi.IntTy, abi.UintTy:
		number, err := r.names.number(text)
		if text == "unlimited" {
			number, err = abi.MaxUint256, nil
		}
		if err != nil {
			return at(node, "%w", err)
		}
		return setNumber(to, typ, node, number)
	case abi.BytesTy, abi.FixedBytesTy:
		raw, err := hexutil.Decode(text)
		switch {
		case err != nil:
			return at(node, "%q: %w", text, err)
		case typ.T == abi.BytesTy:
			to.SetBytes(raw)
		case len(raw) != typ.Size:
			return at(node, "a %s has %d bytes, not %d", typ.String(), typ.Size, len(raw))
		default:
			reflect.Copy(to, reflect.ValueOf(raw))
		}
	default:
		return at(node, "values of the type %s can't be written here: give data", typ.String())
	}
	return nil
}

// setNumber puts a number where it fits.
func setNumber(to reflect.Value, typ abi.Type, node *yaml.Node, number *big.Int) error {
	bits := typ.Size
	if typ.T == abi.IntTy {
		bits--
	}
	if number.BitLen() > bits || number.Sign() < 0 && typ.T == abi.UintTy {
		return at(node, "%s is no %s", number, typ.String())
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.ValueOf(number))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		to.SetInt(number.Int64())
	default:
		to.SetUint(number.Uint64())
	}
	return nil
}

// arguments reads an array or a tuple, which are both lists.
func (r *reader) arguments(to reflect.Value, typ abi.Type, node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		return at(node, "want a list, for the type %s", typ.String())
	}
	want := len(node.Content)
	switch typ.T {
	case abi.SliceTy:
		to.Set(reflect.MakeSlice(to.Type(), want, want))
	case abi.ArrayTy:
		want = typ.Size
	default:
		want = len(typ.TupleElems)
	}
	if len(node.Content) != want {
		return at(node, "%s has %d elements, not %d", typ.String(), want, len(node.Content))
	}
	for i, element := range node.Content {
		var err error
		if typ.T == abi.TupleTy {
			err = r.argument(to.Field(i), *typ.TupleElems[i], element)
		} else {
			err = r.argument(to.Index(i), *typ.Elem, element)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
