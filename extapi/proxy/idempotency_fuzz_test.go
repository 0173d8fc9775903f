package proxy

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestIdempotencyOption: an option that is given twice is none, whatever its case.
func TestIdempotencyOption(t *testing.T) {
	for text, want := range map[string]string{
		`{"idempotencyKey":"a"}`:                       "a",
		`{ "idempotencyKey" : "a b" } `:                "a b", //nolint:gocritic // white space is what is tried
		`{"idempotencyKey":"a","idempotencyKey":"b"}`:  "",
		`{"idempotencyKey":"a","IDEMPOTENCYKEY":"b"}`:  "",
		`{"IdempotencyKey":"a"}`:                       "",
		`{"idempotencyKey":"a","other":1}`:             "",
		`{"idempotencyKey":"a"}{"idempotencyKey":"b"}`: "",
		`{"idempotencyKey":null}`:                      "",
		`{"idempotencyKey":""}`:                        "",
		`{}`:                                           "",
		`null`:                                         "",
		`["idempotencyKey","a"]`:                       "",
	} {
		got, err := IdempotencyKeyOf(json.RawMessage(text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// FuzzIdempotencyKey: a key that is taken is short and printable, wherever it stands.
func FuzzIdempotencyKey(f *testing.F) {
	for _, text := range []string{`{"idempotencyKey":"a"}`, `{"idempotencyKey":"\u0000"}`, `{"idempotencyKey":"a"}}`, "a", ""} {
		f.Add([]byte(text), text, "")
		f.Add([]byte(text), "a", text)
	}
	f.Fuzz(func(t *testing.T, options []byte, plain, prefixed string) {
		key, err := IdempotencyKeyOf(options)
		if (err == nil) != printable(key) {
			t.Errorf("%q, %v", key, err)
		}
		key, err = readIdempotencyKey(http.Header{"Idempotency-Key": {plain}, "X-Idempotency-Key": {prefixed}})
		if err == nil && (key != plain || key != prefixed || !printable(key)) {
			t.Errorf("%q of %q and %q", key, plain, prefixed)
		}
	})
}
