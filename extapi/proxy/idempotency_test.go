package proxy

import (
	"net/http"
	"strings"
	"testing"
)

func TestReadIdempotencyKey(t *testing.T) {
	long := strings.Repeat("k", 128)
	for name, c := range map[string]struct {
		header http.Header
		key    string
		fails  bool
	}{
		"none":              {http.Header{}, "", false},
		"plain":             {http.Header{"Idempotency-Key": {"a b~"}}, "a b~", false},
		"with x":            {http.Header{"X-Idempotency-Key": {"a"}}, "a", false},
		"both the same":     {http.Header{"Idempotency-Key": {"a"}, "X-Idempotency-Key": {"a"}}, "a", false},
		"both, different":   {http.Header{"Idempotency-Key": {"a"}, "X-Idempotency-Key": {"b"}}, "", true},
		"twice":             {http.Header{"Idempotency-Key": {"a", "b"}}, "", true},
		"empty":             {http.Header{"Idempotency-Key": {""}}, "", true},
		"longest":           {http.Header{"Idempotency-Key": {long}}, long, false},
		"too long":          {http.Header{"Idempotency-Key": {long + "k"}}, "", true},
		"control character": {http.Header{"Idempotency-Key": {"a\tb"}}, "", true},
		"not ASCII":         {http.Header{"Idempotency-Key": {"é"}}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := readIdempotencyKey(c.header)
			if key != c.key || (err != nil) != c.fails {
				t.Errorf("got %q, %v", key, err)
			}
			if IdempotencyKey(WithIdempotencyKey(t.Context(), key)) != c.key {
				t.Error("the context has another key")
			}
		})
	}
}
