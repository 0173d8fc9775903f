package extapi

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// appendTypedData appends a document that was decoded as JSON text in printable
// ASCII, from which decoding makes the same document.
func appendTypedData(to []byte, data *apitypes.TypedData) []byte {
	to = append(to, `{"types":`...)
	to = appendTypes(to, data.Types)
	to = append(to, `,"primaryType":`...)
	to = appendText(to, data.PrimaryType)
	to = append(to, `,"domain":`...)
	to = appendDomain(to, data)
	to = append(to, `,"message":`...)
	to = appendTree(to, data.Message)
	return append(to, '}')
}

// appendTypes appends the types, by name.
func appendTypes(to []byte, types apitypes.Types) []byte {
	return appendMembers(to, types, func(to []byte, fields []apitypes.Type) []byte {
		to = append(to, '[')
		for i, field := range fields {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(to, `{"name":`...)
			to = appendText(to, field.Name)
			to = append(to, `,"type":`...)
			to = appendText(to, field.Type)
			to = append(to, '}')
		}
		return append(to, ']')
	})
}

// appendDomain appends the members of the domain that its type names: an empty
// one is there if it is named, and not otherwise.
func appendDomain(to []byte, data *apitypes.TypedData) []byte {
	named := make(map[string]any)
	for _, field := range data.Types[domainType] {
		switch field.Name {
		case "name":
			named[field.Name] = data.Domain.Name
		case "version":
			named[field.Name] = data.Domain.Version
		case "verifyingContract":
			named[field.Name] = data.Domain.VerifyingContract
		case "salt":
			named[field.Name] = data.Domain.Salt
		case "chainId":
			if id := data.Domain.ChainId; id != nil {
				text, _ := id.MarshalText() // which never fails
				named[field.Name] = string(text)
			}
		}
	}
	return appendTree(to, named)
}

// appendTree appends a value of a message: its numbers are texts.
func appendTree(to []byte, value any) []byte {
	switch value := value.(type) {
	case map[string]any:
		return appendMembers(to, value, appendTree)
	case []any:
		to = append(to, '[')
		for i, element := range value {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendTree(to, element)
		}
		return append(to, ']')
	case string:
		return appendText(to, value)
	case bool:
		return strconv.AppendBool(to, value)
	default:
		return append(to, "null"...) // there is none in a document that was decoded
	}
}

// appendMembers appends an object, in the order of the names.
func appendMembers[M ~map[string]V, V any](to []byte, members M, appendValue func([]byte, V) []byte) []byte {
	to = append(to, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendText(to, name)
		to = append(to, ':')
		to = appendValue(to, members[name])
	}
	return append(to, '}')
}

// appendText appends a text. What is not printable ASCII is escaped, so that it
// leads no terminal astray.
func appendText(to []byte, text string) []byte {
	to = append(to, '"')
	for text != "" {
		r, size := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text)
		}
		text = text[size:]
		switch {
		case r == '"' || r == '\\':
			to = append(to, '\\', byte(r))
		case ' ' <= r && r < 0x7f:
			to = append(to, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			to = appendUnit(appendUnit(to, high), low)
		default:
			to = appendUnit(to, r)
		}
	}
	return append(to, '"')
}

// appendUnit appends the escape of a UTF-16 unit.
func appendUnit(to []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(to, '\\', 'u', digits[unit>>12&0xf], digits[unit>>8&0xf], digits[unit>>4&0xf], digits[unit&0xf])
}
