package policy

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// comparison is what must hold for one value of a call or of a message. A value
// of another type than it speaks of is unknown: it can't be said to differ.
type comparison interface {
	holds(s *subject, value any) truth
	want() string
}

// literal is a value that a policy names. What it means depends on the value
// that it is compared with.
type literal struct {
	text      string
	addresses map[common.Address]bool // of an address, an account or a list
	self      bool                    // the account that signs, or its Safe
	number    *big.Int                // of a number or an amount
	raw       []byte                  // of 0x and hexadecimal digits
	isRaw     bool
}

// equals compares with a value as plain returns it.
func (l *literal) equals(s *subject, value any) truth {
	switch value := value.(type) {
	case common.Address:
		if l.self {
			return is(value == s.own())
		}
		if l.addresses == nil {
			return unknown
		}
		return is(l.addresses[value])
	case *big.Int:
		if l.number == nil {
			return unknown
		}
		return is(value.Cmp(l.number) == 0)
	case bool:
		if l.text != "true" && l.text != "false" {
			return unknown
		}
		return is(value == (l.text == "true"))
	case string:
		return is(value == l.text)
	case []byte:
		if !l.isRaw {
			return unknown
		}
		return is(bytes.Equal(value, l.raw))
	default:
		return unknown
	}
}

// values holds if a value equals one of several.
type values []literal

func (a values) want() string {
	texts := make([]string, len(a))
	for i := range a {
		texts[i] = a[i].text
	}
	return oneOf(texts...)
}

func (a values) holds(s *subject, value any) truth {
	answer := isFalse
	for i := range a {
		switch a[i].equals(s, value) {
		case isTrue:
			return isTrue
		case unknown:
			answer = unknown
		}
	}
	return answer
}

// not holds if another does not.
type not struct{ comparison }

func (n not) want() string { return "not " + n.comparison.want() }

func (n not) holds(s *subject, value any) truth {
	switch n.comparison.holds(s, value) {
	case isTrue:
		return isFalse
	case isFalse:
		return isTrue
	default:
		return unknown
	}
}

// extent holds for numbers up to or from one on.
type extent struct {
	number *big.Int
	text   string
	upper  bool
}

func (e extent) want() string {
	if e.upper {
		return "at most " + e.text
	}
	return "at least " + e.text
}

func (e extent) holds(_ *subject, value any) truth {
	n, ok := value.(*big.Int)
	if !ok {
		return unknown
	}
	if e.upper {
		return is(n.Cmp(e.number) <= 0)
	}
	return is(n.Cmp(e.number) >= 0)
}

// soon holds for Unix seconds that are not further away. 0 is no time: where DAI and
// others have it, it stands for ever.
type soon struct{ span }

func (d soon) want() string { return "within " + d.text }

func (d soon) holds(s *subject, value any) truth {
	n, ok := value.(*big.Int)
	if !ok {
		return unknown
	}
	return is(n.Sign() > 0 && n.Cmp(big.NewInt(s.Time.Add(d.Duration).Unix())) <= 0)
}

// prefixed holds for text or bytes that begin with others.
type prefixed struct{ literal }

func (f prefixed) want() string { return "it begins with " + f.text }

func (f prefixed) holds(_ *subject, value any) truth {
	switch value := value.(type) {
	case string:
		return is(strings.HasPrefix(value, f.text))
	case []byte:
		if !f.isRaw {
			return unknown
		}
		return is(bytes.HasPrefix(value, f.raw))
	default:
		return unknown
	}
}

// shorter holds for lists, bytes and text of at most a length.
type shorter uint64

func (l shorter) want() string { return fmt.Sprintf("at most %d long", uint64(l)) }

func (l shorter) holds(_ *subject, value any) truth {
	switch value := value.(type) {
	case []any:
		return is(uint64(len(value)) <= uint64(l))
	case []byte:
		return is(uint64(len(value)) <= uint64(l))
	case string:
		return is(uint64(utf8.RuneCountInString(value)) <= uint64(l)) //nolint:gosec // a length is not negative
	default:
		return unknown
	}
}

// elements holds if a comparison does for one or for all elements of a list. All
// of none is true, as one of none is false.
type elements struct {
	comparison
	all bool
}

func (e elements) want() string {
	if e.all {
		return "each: " + e.comparison.want()
	}
	return "one of them: " + e.comparison.want()
}

func (e elements) holds(s *subject, value any) truth {
	list, ok := value.([]any)
	if !ok {
		return unknown
	}
	answer, decisive := isFalse, isTrue
	if e.all {
		answer, decisive = isTrue, isFalse
	}
	for _, element := range list {
		switch got := e.comparison.holds(s, plain(element)); got {
		case decisive:
			return decisive
		case unknown:
			answer = unknown
		}
	}
	return answer
}

// member holds if a comparison does for a member of a struct. Without such a
// member it is unknown: a name that is mistyped in a rule that denies must not
// make it match nothing.
type member struct {
	path  string
	parts []string
	comparison
}

func (m member) want() string { return m.path + " " + m.comparison.want() }

func (m member) holds(s *subject, value any) truth {
	found, ok := follow(value, m.parts)
	if !ok {
		return unknown
	}
	return m.comparison.holds(s, found)
}

// every holds if all do.
type every []comparison

func (e every) want() string {
	texts := make([]string, len(e))
	for i := range e {
		texts[i] = e[i].want()
	}
	return strings.Join(texts, ", ")
}

func (e every) holds(s *subject, value any) truth {
	answer := isTrue
	for _, c := range e {
		switch c.holds(s, value) {
		case isFalse:
			return isFalse
		case unknown:
			answer = unknown
		}
	}
	return answer
}

// plain returns a decoded value in one of few types: an address, a number, a
// truth, text, bytes, a list, or a struct by the names or the places of its
// members.
func plain(value any) any {
	switch value := value.(type) {
	case nil, common.Address, *big.Int, bool, string, []byte, []any, map[string]any:
		return value
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return new(big.Int).SetUint64(v.Uint())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return big.NewInt(v.Int())
	case reflect.Array, reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			raw := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(raw), v)
			return raw
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = v.Index(i).Interface()
		}
		return list
	case reflect.Struct:
		list := make([]any, v.NumField())
		for i := range list {
			list[i] = v.Field(i).Interface()
		}
		return list
	default:
		return value
	}
}

// follow returns what lies at a path, such as details, token.
func follow(value any, parts []string) (any, bool) {
	value = plain(value)
	for _, name := range parts {
		switch within := value.(type) {
		case map[string]any:
			found, ok := within[name]
			if !ok {
				return nil, false
			}
			value = plain(found)
		case []any:
			i, ok := place(name)
			if !ok || i >= len(within) {
				return nil, false
			}
			value = plain(within[i])
		default:
			return nil, false
		}
	}
	return value, true
}

// place reads a place in a list, from 0: at most five digits, as decimalForm has
// them. Every decision about an argument reads some.
func place(text string) (int, bool) {
	if text == "" || len(text) > 5 || text[0] == '0' && text != "0" {
		return 0, false
	}
	n := 0
	for i := range len(text) {
		digit := text[i]
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = 10*n + int(digit-'0')
	}
	return n, true
}

// shownValue writes a value for people, in few words.
func shownValue(value any) string {
	switch value := plain(value).(type) {
	case common.Address:
		return value.Hex()
	case *big.Int:
		return value.String()
	case string:
		return quoted(value)
	case []byte:
		return clip(hexutil.Encode(value[:min(len(value), maxShown)]))
	case []any:
		return fmt.Sprintf("a list of %d", len(value))
	case map[string]any:
		return "a struct of " + clip(strings.Join(slices.Sorted(mapKeys(value)), ", "))
	default:
		return fmt.Sprint(value)
	}
}

// maxSoon bounds how far away a deadline may be by a policy.
const maxSoon = 10 * 366 * 24 * time.Hour
