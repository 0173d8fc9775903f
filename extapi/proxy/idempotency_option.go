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
	var given struct {
		Key string `json:"idempotencyKey"`
	}
	decoder := json.NewDecoder(bytes.NewReader(options))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil || !printable(given.Key) {
		return "", errIdempotencyOption
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", errIdempotencyOption
	}
	return given.Key, nil
}
