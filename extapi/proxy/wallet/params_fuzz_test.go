package wallet

import (
	"encoding/json"
	"testing"
)

// FuzzParams: of parameters that are taken there are as many as a method wants, each
// of them JSON.
func FuzzParams(f *testing.F) {
	for _, text := range []string{``, `null`, `[]`, `[null]`, `[1,null,null]`, `{"a":1}`, `[1,2,3`, `[[[]]]`, `[1]]`} {
		f.Add([]byte(text), uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, params []byte, least, more uint8) {
		from := int(least % maxArgs)
		to := min(from+int(more%4), maxArgs-1)
		args, err := positional(params, from, to)
		if err != nil {
			return
		}
		if len(args) < from || len(args) > to {
			t.Errorf("%d parameters, want %d to %d", len(args), from, to)
		}
		for i, arg := range args {
			if !json.Valid(arg) {
				t.Errorf("%q is no JSON", arg)
			}
			var value json.RawMessage
			_ = argument(args, i, &value)
		}
	})
}
