package extapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestTypedDataBounds: what is just within a bound is signed, and one more is not.
func TestTypedDataBounds(t *testing.T) {
	fields := func(count int) string {
		types, values := make([]string, count), make([]string, count)
		for i := range count {
			types[i], values[i] = `{"name":"f`+strconv.Itoa(i)+`","type":"bool"}`, `"f`+strconv.Itoa(i)+`":true`
		}
		return docOf(`"M":[`+strings.Join(types, ",")+`]`, `{`+strings.Join(values, ",")+`}`)
	}
	types := func(count int) string {
		more := []string{`"M":[]`}
		for i := range count - 2 { // one is the domain's
			more = append(more, fmt.Sprintf(`"T%d":[]`, i))
		}
		return docOf(strings.Join(more, ","), `{}`)
	}
	depth := func(levels int) string { // the document and its message are two
		return oneField("uint8"+strings.Repeat("[]", levels-2), strings.Repeat("[", levels-2)+strings.Repeat("]", levels-2))
	}
	values := func(count int) string {
		const others = 15 // all but the numbers
		return oneField("uint8[]", "["+strings.Repeat("1,", count-others-1)+"1]")
	}
	size := func(bytes int) string {
		return oneField("string", `"`+strings.Repeat("x", bytes-len(oneField("string", `""`)))+`"`)
	}
	for name, c := range map[string]struct {
		made func(int) string
		most int
	}{
		"members": {fields, maxTypedDataFields}, "types": {types, maxTypedDataTypes}, "depth": {depth, maxTypedDataDepth},
		"values": {values, maxTypedDataNodes}, "bytes": {size, maxTypedDataBytes},
	} {
		if err := encodeError(c.made(c.most)); err != nil {
			t.Errorf("%d %s: %v", c.most, name, err)
		}
		if err := encodeError(c.made(c.most + 1)); err == nil || errors.Is(err, errInternal) {
			t.Errorf("%d %s: %v", c.most+1, name, err)
		}
	}
}

// TestTypedDataTypesThatShareTypes: each type refers to the next one twice, so that there are
// more ways through them than can ever be gone.
func TestTypedDataTypesThatShareTypes(t *testing.T) {
	types := []string{`"M":[{"name":"a","type":"T0"}]`}
	for i := range maxTypedDataTypes - 3 {
		types = append(types, fmt.Sprintf(`"T%d":[{"name":"a","type":"T%d"},{"name":"b","type":"T%[2]d"}]`, i, i+1))
	}
	types = append(types, fmt.Sprintf(`"T%d":[]`, maxTypedDataTypes-3))
	wantError(t, encodeError(docOf(strings.Join(types, ","), `{}`)), "provided data '<nil>' doesn't match type 'T0'")
}
