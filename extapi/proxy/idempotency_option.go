package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// errIdempotencyOption is told to a caller whose options are not what they can be.
var errIdempotencyOption = errors.New(`want {"idempotencyKey": KEY}, KEY of 1 to 128 printable ASCII characters`)

// IdempotencyKeyOf returns the key in the options of a call: an object with the
// member idempotencyKey, for callers that can't set a header.
func IdempotencyKeyOf(options json.RawMessage) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(options))
	var key string
	for _, want := range []json.Token{json.Delim('{'), "idempotencyKey"} {
		if token, err := decoder.Token(); err != nil || token != want {
			return "", errIdempotencyOption
		}
	}
	// One member alone, so that none is passed over in favour of another.
	if err := decoder.Decode(&key); err != nil || !printable(key) {
		return "", errIdempotencyOption
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('}') {
		return "", errIdempotencyOption
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", errIdempotencyOption
	}
	return key, nil
}
