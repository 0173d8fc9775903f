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
	t := &Typed{PrimaryType: data.PrimaryType, Name: data.Domain.Name, Version: data.Domain.Version}
	if common.IsHexAddress(data.Domain.VerifyingContract) {
		contract := common.HexToAddress(data.Domain.VerifyingContract)
		t.Contract = &contract
	}
	if raw, err := hexutil.Decode(data.Domain.Salt); err == nil && len(raw) == common.HashLength {
		salt := common.Hash(raw)
		t.Salt = &salt
	}
	t.Message = structOf(data.Types, data.PrimaryType, data.Message)
	t.types = data.Types
	if req.Kind == rules.KindSafe {
		t.Safe = safeOf(t)
	}
	return t
}

// structOf converts the members of a struct by their types. Those that have no
// type are not signed, and are left out. The decoder has bounded the nesting.
func structOf(types apitypes.Types, name string, from map[string]any) map[string]any {
	converted := make(map[string]any, len(types[name]))
	for _, field := range types[name] {
		if value, ok := from[field.Name]; ok {
			converted[field.Name] = valueOf(types, field.Type, value)
		}
	}
	return converted
}

// valueOf converts a value that the decoder has checked against its type. What
// is not of its type all the same stays as it is, and equals nothing.
func valueOf(types apitypes.Types, kind string, from any) any {
	if i := strings.LastIndexByte(kind, '['); i > 0 {
		list, ok := from.([]any)
		if !ok {
			return from
		}
		converted := make([]any, len(list))
		for j := range list {
			converted[j] = valueOf(types, kind[:i], list[j])
		}
		return converted
	}
	if _, ok := types[kind]; ok {
		if members, ok := from.(map[string]any); ok {
			return structOf(types, kind, members)
		}
		return from
	}
	switch {
	case kind == "address":
		if text, ok := from.(string); ok && common.IsHexAddress(text) {
			return common.HexToAddress(text)
		}
	case strings.HasPrefix(kind, "bytes"):
		if text, ok := from.(string); ok {
			if raw, err := hexutil.Decode(text); err == nil {
				return raw
			}
		}
	case strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "int"):
		if n, ok := numberOf(from); ok {
			return n
		}
	}
	return from
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
