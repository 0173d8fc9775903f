package extapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Limits on a typed-data document. Documents in use have a handful of types
// and a few hundred values; the limits keep hostile ones cheap.
const (
	maxTypedDataBytes  = 1 << 20 // the JSON text
	maxTypedDataNodes  = 1 << 14 // JSON values in the document
	maxTypedDataDepth  = 64      // nesting of the document
	maxTypedDataTypes  = 128     // struct types
	maxTypedDataFields = 128     // members of one type
	maxTypeBytes       = 1 << 16 // names in all type definitions together
	maxNameBytes       = 256     // one name
)

// decodeTree reads exactly one JSON value. An object becomes map[string]any, an
// array []any, a number json.Number: no value passes through float64. Refused
// are members that occur twice, text that is not Unicode (which Go would
// replace silently, so that something else were signed), and documents beyond
// the limits above.
func decodeTree(raw []byte) (any, error) {
	if len(raw) > maxTypedDataBytes {
		return nil, fmt.Errorf("typed data of %d bytes is too large: at most %d", len(raw), maxTypedDataBytes)
	}
	if err := checkUnicode(raw); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	tree := treeDecoder{decoder: decoder}
	value, err := tree.value(0)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("unexpected end of JSON input")
	}
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("data after the typed data: send one JSON object")
	}
	return value, nil
}

// treeDecoder counts the values it has read.
type treeDecoder struct {
	decoder *json.Decoder
	nodes   int
}

// value reads the value that starts with the next token.
func (t *treeDecoder) value(depth int) (any, error) {
	token, err := t.decoder.Token()
	if err != nil {
		return nil, err
	}
	if t.nodes++; t.nodes > maxTypedDataNodes {
		return nil, fmt.Errorf("typed data has more than %d values", maxTypedDataNodes)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil // nil, bool, string or json.Number
	}
	if depth >= maxTypedDataDepth {
		return nil, fmt.Errorf("typed data is nested deeper than %d levels", maxTypedDataDepth)
	}
	if delim == '{' {
		return t.object(depth + 1)
	}
	return t.array(depth + 1)
}

// object reads the members of an object up to its closing brace.
func (t *treeDecoder) object(depth int) (map[string]any, error) {
	members := map[string]any{}
	for t.decoder.More() {
		token, err := t.decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, fmt.Errorf("member name %v is not a string", token)
		}
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("member %q occurs twice", clip(name))
		}
		if members[name], err = t.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := t.decoder.Token()
	return members, err
}

// array reads the elements of an array up to its closing bracket.
func (t *treeDecoder) array(depth int) ([]any, error) {
	elements := []any{}
	for t.decoder.More() {
		element, err := t.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	_, err := t.decoder.Token()
	return elements, err
}

// checkUnicode refuses bytes that are not UTF-8 and \u escapes of half a
// surrogate pair: encoding/json turns both into U+FFFD without a word.
func checkUnicode(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("typed data is not valid UTF-8")
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, escaped := escapedUnit(raw[i:])
		switch {
		case !escaped:
			i++ // a two-character escape such as \\ or \"
		case unit < 0xd800 || unit > 0xdfff:
			i += 5
		default:
			low, follows := escapedUnit(raw[min(i+6, len(raw)):])
			if unit > 0xdbff || !follows || low < 0xdc00 || low > 0xdfff {
				return fmt.Errorf(`typed data holds half a surrogate pair (\u%04x)`, unit)
			}
			i += 11
		}
	}
	return nil
}

// escapedUnit reads the UTF-16 unit of an escape \uXXXX at the start of raw.
func escapedUnit(raw []byte) (uint16, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return uint16(unit), err == nil
}
