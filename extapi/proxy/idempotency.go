package proxy

import (
	"errors"
	"net/http"
)

// errIdempotencyKey is told to a caller whose key can't be taken as it is.
var errIdempotencyKey = errors.New("header Idempotency-Key must be one value of 1 to 128 printable ASCII characters")

// readIdempotencyKey returns the key in the headers of a request, "" if none.
func readIdempotencyKey(header http.Header) (string, error) {
	plain, prefixed := header["Idempotency-Key"], header["X-Idempotency-Key"]
	if len(plain)+len(prefixed) == 0 {
		return "", nil
	}
	var key string
	for i, value := range append(plain[:len(plain):len(plain)], prefixed...) {
		if !printable(value) || i > 0 && value != key {
			return "", errIdempotencyKey
		}
		key = value
	}
	return key, nil
}

// printable reports whether a key is 1 to maxIdempotencyKey printable ASCII
// characters.
func printable(key string) bool {
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxIdempotencyKey
}
