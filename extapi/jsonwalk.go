package extapi

import (
	"bytes"
	"encoding/json"
	"iter"
)

// These functions find the parts of a JSON value without decoding them, so
// that the megabytes of a blob transaction are not walked once for each layer
// around them. They take JSON that encoding/json has found valid; of other
// bytes they return some parts or none. The parts point into the value.

// members returns the names, quoted and escaped as they are, and the values of
// an object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		var name, value []byte
		for rest := skipSpace(object[1:]); len(rest) > 0 && rest[0] == '"'; rest = skipComma(rest) {
			name, rest = cutValue(rest)
			value, rest = cutValue(bytes.TrimPrefix(rest, []byte(":")))
			if !yield(name, value) {
				return
			}
		}
	}
}

// elements returns the values of an array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		var value []byte
		for rest := skipSpace(array[1:]); len(rest) > 0; rest = skipComma(rest) {
			value, rest = cutValue(rest)
			if len(value) == 0 || !yield(value) {
				return
			}
		}
	}
}

// text returns the string that a JSON value holds, "" if it is none.
func text(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// skipSpace is [bytes.TrimLeft], which takes longer to begin than there is space in what a
// program wrote.
func skipSpace(data []byte) []byte {
	for i, c := range data {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return data[i:]
		}
	}
	return nil
}

func skipComma(data []byte) []byte { return skipSpace(bytes.TrimPrefix(data, []byte(","))) }

// cutValue splits data after its first value and the space that follows.
func cutValue(data []byte) (value, rest []byte) {
	data = skipSpace(data)
	end := valueEnd(data)
	return data[:end], skipSpace(data[end:])
}

// valueEnd returns the length of the value that data begins with.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i += stringEnd(data[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if depth == 0 { // a number, true, false or null
				return scalarEnd(data)
			}
		}
		if depth <= 0 {
			return i + min(depth, 0) + 1
		}
	}
	return len(data)
}

// scalarEnd returns the length of a number or word.
func scalarEnd(data []byte) int {
	if end := bytes.IndexAny(data, ",]}: \t\r\n"); end >= 0 {
		return end
	}
	return len(data)
}

// stringEnd returns the length of the string that data begins with.
func stringEnd(data []byte) int {
	for i := 1; i < len(data); {
		quote := bytes.IndexByte(data[i:], '"')
		if quote < 0 {
			break
		}
		before := data[i : i+quote]
		i += quote + 1
		if escapes := len(before) - len(bytes.TrimRight(before, `\`)); escapes%2 == 0 {
			return i
		}
	}
	return len(data)
}
