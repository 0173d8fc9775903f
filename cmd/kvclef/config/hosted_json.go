package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kvclef/kvclef/rules/suggest"
)

// MaxHosted bounds a document of a hosted CloudHSM that comes from outside, in
// bytes.
const MaxHosted = 64 << 10

// DecodeJSON reads one JSON object into a struct, strictly: a member that is
// unknown, written otherwise or given twice, null, a value of another type, text
// that is no text, and an empty value of a member with omitempty, which a template
// may have left so, are errors with the member's name. No error shows a value,
// which may be a secret. It knows structs, slices, text, whole numbers and what
// reads itself from text.
func DecodeJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not JSON: it is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	walk := jsonWalk{decoder}
	if err := walk.value(member{of: reflect.TypeOf(into).Elem()}, ""); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows the document")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errors.New("it has a value that can't be read") // such as a time; the error would show it
	}
	return nil
}

// jsonWalk compares a document with the type that it is to be decoded into. The
// JSON package alone would take members in any case, and the last of two.
type jsonWalk struct{ tokens *json.Decoder }

// member is what a member of an object must be.
type member struct {
	of     reflect.Type
	filled bool // it is not empty
}

func (w jsonWalk) value(m member, path string) error {
	t := m.of
	token, err := w.tokens.Token()
	if err != nil {
		return notJSON(err)
	}
	switch token := token.(type) {
	case nil:
		return fmt.Errorf("%s: null; leave it out, or give a value", orDocument(path))
	case string:
		if token == "" && m.filled {
			return emptyMember(path)
		}
		if readsText(t) || t.Kind() == reflect.String {
			return checkText(token, path)
		}
	case json.Number:
		if t.Kind() == reflect.Uint64 {
			if _, err := strconv.ParseUint(token.String(), 10, 64); err == nil {
				return nil
			}
		}
	case json.Delim:
		switch {
		case token == '{' && t.Kind() == reflect.Struct && !readsText(t):
			return w.members(t, path)
		case token == '[' && t.Kind() == reflect.Slice && !readsText(t):
			return w.elements(m, path)
		}
	}
	return fmt.Errorf("%s: want %s", orDocument(path), wantedJSON(t))
}

func (w jsonWalk) members(t reflect.Type, path string) error {
	known := membersOf(t)
	var seen []string
	for w.tokens.More() {
		token, err := w.tokens.Token()
		if err != nil {
			return notJSON(err)
		}
		name, _ := token.(string) // a member's name is text, or there was an error
		wanted, ok := known[name]
		switch {
		case !ok:
			return fmt.Errorf("unknown member %.100q%s", join(path, name), suggest.DidYouMean("", name, slices.Sorted(maps.Keys(known))))
		case slices.Contains(seen, name):
			return fmt.Errorf("duplicate member %q: remove one", join(path, name))
		}
		seen = append(seen, name)
		if err := w.value(wanted, join(path, name)); err != nil {
			return err
		}
	}
	_, err := w.tokens.Token()
	return notJSON(err)
}

func (w jsonWalk) elements(list member, path string) error {
	if list.filled && !w.tokens.More() {
		return emptyMember(path)
	}
	for i := 0; w.tokens.More(); i++ {
		if err := w.value(member{of: list.of.Elem()}, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := w.tokens.Token()
	return notJSON(err)
}

func emptyMember(path string) error {
	return fmt.Errorf("%s: empty; leave it out, or give a value", path)
}

// checkText refuses what the JSON package puts in the place of half a surrogate
// pair: a secret must not change on its way.
func checkText(text, path string) error {
	if strings.ContainsRune(text, utf8.RuneError) {
		return fmt.Errorf("%s: it holds an escape that is no character", path)
	}
	return nil
}

// notJSON says where a document is broken, without what is in it.
func notJSON(err error) error {
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON, at byte %d", syntax.Offset)
	}
	return errors.New("it is not JSON: it ends early")
}

// membersOf returns a struct's fields by their names in JSON.
func membersOf(t reflect.Type) map[string]member {
	members := make(map[string]member)
	for i := range t.NumField() {
		if name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "-" {
			members[name] = member{t.Field(i).Type, options == "omitempty"}
		}
	}
	return members
}

// readsText reports whether a type reads itself from text, as a time does.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func wantedJSON(t reflect.Type) string {
	switch {
	case readsText(t) || t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Struct:
		return "an object"
	case t.Kind() == reflect.Slice:
		return "a list"
	default:
		return "a whole number, not negative"
	}
}
