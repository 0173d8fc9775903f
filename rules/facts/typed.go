package facts

import (
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// typedOf returns what is known of EIP-712 data; nil if there is none.
func typedOf(req *rules.Request) *Typed {
	data := req.TypedData
	if data == nil {
		return nil
	}
	t := &Typed{PrimaryType: data.PrimaryType, types: data.Types, sound: true}
	t.domain(&data.Domain)
	t.Message = t.structOf(data.PrimaryType, data.Message)
	if req.Kind == rules.KindSafe || t.isSafe() {
		t.Safe = safeOf(t)
	}
	return t
}

// domainType is the type of a document's domain.
const domainType = "EIP712Domain"

// domain reads the members of the domain that its type names: no others are
// signed.
func (t *Typed) domain(domain *apitypes.TypedDataDomain) {
	for _, field := range t.types[domainType] {
		switch field.Name + " " + field.Type {
		case "name string":
			t.Name = domain.Name
		case "version string":
			t.Version = domain.Version
		case "verifyingContract address":
			if common.IsHexAddress(domain.VerifyingContract) {
				contract := common.HexToAddress(domain.VerifyingContract)
				t.Contract = &contract
			}
		case "salt bytes32":
			if raw, err := hexutil.Decode(domain.Salt); err == nil && len(raw) == common.HashLength {
				salt := common.Hash(raw)
				t.Salt = &salt
			}
		}
	}
}

// structOf converts the members of a struct by their types. Those that have no
// type are not signed, and are left out. The decoder has bounded the nesting.
func (t *Typed) structOf(name string, from map[string]any) map[string]any {
	converted := make(map[string]any, len(t.types[name]))
	for _, field := range t.types[name] {
		value, ok := from[field.Name]
		if !ok {
			t.sound = false
			continue
		}
		converted[field.Name] = t.valueOf(field.Type, value)
	}
	return converted
}

// valueOf converts a value that the decoder has checked against its type. What
// is not of its type all the same stays as it is, and equals nothing.
func (t *Typed) valueOf(kind string, from any) any {
	if i := strings.LastIndexByte(kind, '['); i > 0 {
		if list, ok := from.([]any); ok {
			converted := make([]any, len(list))
			for j := range list {
				converted[j] = t.valueOf(kind[:i], list[j])
			}
			return converted
		}
	} else if _, ok := t.types[kind]; ok {
		if members, ok := from.(map[string]any); ok {
			return t.structOf(kind, members)
		}
	} else if value, ok := primitiveOf(kind, from); ok {
		return value
	}
	t.sound = false
	return from
}

// primitiveOf converts a value of a type that is no struct or array.
func primitiveOf(kind string, from any) (any, bool) {
	text, isText := from.(string)
	switch {
	case kind == "address":
		return common.HexToAddress(text), isText && common.IsHexAddress(text)
	case kind == "string":
		return text, isText
	case kind == "bool":
		_, ok := from.(bool)
		return from, ok
	case strings.HasPrefix(kind, "bytes"):
		raw, err := hexutil.Decode(text)
		return raw, isText && err == nil
	case strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "int"):
		n, ok := numberOf(from)
		return n, ok && (n.Sign() >= 0 || kind[0] == 'i')
	default:
		return from, false
	}
}

func numberOf(from any) (*big.Int, bool) {
	switch from := from.(type) {
	case string:
		if n, ok := new(big.Int).SetString(from, 10); ok {
			return n, true
		}
		return math.ParseBig256(from)
	case *math.HexOrDecimal256:
		return (*big.Int)(from), from != nil
	default:
		return nil, false
	}
}
