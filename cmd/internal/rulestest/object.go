package rulestest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/suggest"
)

// reader reads a JSON value that stands at a path such as "steps[1].expect".
type reader func(raw json.RawMessage, path string) error

// visitor is shown a member of an object.
type visitor func(name string, value json.RawMessage, at string) error

// object reads an object with the members named, each at most once.
func object(members map[string]reader) reader {
	return func(raw json.RawMessage, path string) error {
		return walk(raw, path, func(name string, value json.RawMessage, at string) error {
			read, known := members[name]
			if !known {
				names := slices.Sorted(maps.Keys(members))
				hint := suggest.DidYouMean("", name, names)
				if hint == "" {
					hint = ": the members are " + strings.Join(names, ", ")
				}
				return fmt.Errorf("%s: unknown member%s", at, hint)
			}
			return read(value, at)
		})
	}
}

// walk visits the members of an object. encoding/json lets the last of two
// members win, and a case that says two things means neither.
func walk(raw json.RawMessage, path string, visit visitor) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	token, err := decoder.Token()
	if err != nil || token != json.Delim('{') {
		return wanted(path, "an object", raw)
	}
	seen := make(map[string]bool)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("%s: %w", place(path), err)
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("%s: %w", place(path), err)
		}
		at := join(path, name)
		if seen[name] {
			return fmt.Errorf("%s: stands twice: write it once", at)
		}
		seen[name] = true
		if err := visit(name, value, at); err != nil {
			return err
		}
	}
	return nil
}

// list reads an array element by element.
func list(each reader) reader {
	return func(raw json.RawMessage, path string) error {
		var elements []json.RawMessage
		if isNull(raw) || json.Unmarshal(raw, &elements) != nil {
			return wanted(path, "a list", raw)
		}
		for i, element := range elements {
			if err := each(element, path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(to *string) reader {
	return func(raw json.RawMessage, path string) error {
		if isNull(raw) || json.Unmarshal(raw, to) != nil {
			return wanted(path, "text in quotes", raw)
		}
		return nil
	}
}

func boolean(to *bool) reader {
	return func(raw json.RawMessage, path string) error {
		if isNull(raw) || json.Unmarshal(raw, to) != nil {
			return wanted(path, "true or false", raw)
		}
		return nil
	}
}

func texts(to *[]string) reader {
	return func(raw json.RawMessage, path string) error {
		*to = []string{} // an empty list is an expectation too
		return list(func(raw json.RawMessage, path string) error {
			var s string
			err := text(&s)(raw, path)
			*to = append(*to, s)
			return err
		})(raw, path)
	}
}

// textMap reads an object whose values are text, as all that storage keeps is.
func textMap(to *map[string]string) reader {
	return func(raw json.RawMessage, path string) error {
		*to = make(map[string]string)
		return walk(raw, path, func(name string, value json.RawMessage, at string) error {
			var s string
			err := text(&s)(value, at)
			(*to)[name] = s
			return err
		})
	}
}

func address(to *common.Address) reader {
	return func(raw json.RawMessage, path string) error {
		var s string
		if json.Unmarshal(raw, &s) != nil || !common.IsHexAddress(s) {
			return wanted(path, "an address, 0x and 40 hexadecimal digits", raw)
		}
		*to = common.HexToAddress(s)
		return nil
	}
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// wanted is the error of a value of the wrong kind.
func wanted(path, what string, raw json.RawMessage) error {
	const shown = 60
	found := string(raw)
	if len(found) > shown {
		found = found[:shown] + "…"
	}
	return fmt.Errorf("%s: want %s, not %s", place(path), what, strings.ToValidUTF8(found, "?"))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func place(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// syntax checks that data is one JSON value; the error has line and column.
func syntax(data []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	var broken *json.SyntaxError
	if !errors.As(err, &broken) {
		return err
	}
	before := data[:min(max(int(broken.Offset)-1, 0), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return &syntaxError{line: line, column: column, err: broken}
}

type syntaxError struct {
	line, column int
	err          error
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%d:%d: %v", e.line, e.column, e.err) }
func (e *syntaxError) Unwrap() error { return e.err }
