package approval

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// ArgumentText is an argument of a call as people read it, by its ABI type: numbers in
// decimal, bytes in hexadecimal, addresses checksummed, also in lists and tuples, which
// are arrays of JSON.
func ArgumentText(typ string, value any) string {
	if _, many := element(typ); !many && !strings.HasPrefix(typ, "(") {
		if text, ok := plain(typ, reflect.ValueOf(value)).(string); ok {
			return text
		}
	}
	encoded, err := json.Marshal(plain(typ, reflect.ValueOf(value)))
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

// plain is a value of an ABI type as it is written in JSON. The type tells what the
// Go value does not: bytes from a list of small numbers.
func plain(typ string, value reflect.Value) any {
	if !value.IsValid() {
		return nil
	}
	of, many := element(typ)
	listed := value.Kind() == reflect.Slice || value.Kind() == reflect.Array
	switch {
	case many && listed:
		all := make([]any, value.Len())
		for i := range all {
			all[i] = plain(of, value.Index(i))
		}
		return all
	case strings.HasPrefix(typ, "(") && value.Kind() == reflect.Struct:
		of := components(typ)
		all := make([]any, value.NumField())
		for i := range all {
			if i < len(of) {
				all[i] = plain(of[i], value.Field(i))
			}
		}
		return all
	}
	switch v := value.Interface().(type) {
	case *big.Int:
		return json.Number(v.String())
	case common.Address:
		return v.Hex()
	}
	if listed && value.Type().Elem().Kind() == reflect.Uint8 { // bytes of any length
		raw := make([]byte, value.Len())
		reflect.Copy(reflect.ValueOf(raw), value)
		return hexutil.Encode(raw)
	}
	return value.Interface()
}

// element is the type of what a list has, such as "uint8[2]" of "uint8[2][]".
func element(typ string) (of string, many bool) {
	at := strings.LastIndexByte(typ, '[')
	if at < 1 || !strings.HasSuffix(typ, "]") {
		return "", false
	}
	return typ[:at], true
}

// components are the types of a tuple, such as "(bytes,address)".
func components(typ string) []string {
	var all []string
	depth, from := 0, 1
	for i := range len(typ) {
		switch typ[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i > from || depth == 1 && typ[i] == ',' {
			all = append(all, typ[from:i])
			from = i + 1
		}
	}
	return all
}
