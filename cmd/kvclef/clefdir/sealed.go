package clefdir

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of a storage.
const (
	maxStorageFile = 128 << 20 // bytes
	maxEntries     = 100_000
)

// The sizes of AES-GCM.
const (
	nonceBytes = 12
	tagBytes   = 16
)

// errSeal says that a value is not as it was put.
var errSeal = errors.New("the seal is broken: the file was changed, or belongs to another master seed; take it from a backup")

// sealed is a value of a storage. Its name is sealed with it, so that values
// can't be exchanged.
type sealed struct {
	Nonce []byte `json:"iv"`
	Text  []byte `json:"c"`
}

// decodeStorage reads a storage: an object with a sealed value for each name.
// The names are in the clear.
func decodeStorage(raw []byte) (map[string]sealed, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if token, err := decoder.Token(); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: Clef was stopped while it wrote; take it from a backup")
	} else if err != nil || token != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	entries := make(map[string]sealed)
	for decoder.More() {
		name, entry, err := decodeEntry(decoder)
		if err != nil {
			return nil, err
		}
		if _, twice := entries[name]; twice {
			return nil, fmt.Errorf("%q is in it twice", clip(name))
		}
		if len(entries) == maxEntries {
			return nil, fmt.Errorf("it has more than %d values", maxEntries)
		}
		entries[name] = entry
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("it ends within the JSON: Clef was stopped while it wrote; take it from a backup")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON")
	}
	return entries, nil
}

func decodeEntry(decoder *json.Decoder) (string, sealed, error) {
	token, err := decoder.Token()
	name, ok := token.(string)
	if err != nil || !ok {
		return "", sealed{}, fmt.Errorf("it is no JSON from byte %d on", decoder.InputOffset())
	}
	if name == "" {
		return "", sealed{}, errors.New("a value has no name, which Clef does not write")
	}
	var entry sealed
	if err := decoder.Decode(&entry); err != nil {
		return "", sealed{}, fmt.Errorf("the value of %q is not a sealed one", clip(name))
	}
	if len(entry.Nonce) != nonceBytes || len(entry.Text) < tagBytes {
		return "", sealed{}, fmt.Errorf("the value of %q is not a sealed one: iv has %d bytes and c has %d, not %d and %d at least",
			clip(name), len(entry.Nonce), len(entry.Text), nonceBytes, tagBytes)
	}
	return name, entry, nil
}

// open returns the value that was put under a name.
func (s sealed) open(key []byte, name string) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, s.Nonce, s.Text, []byte(name))
	if err != nil {
		return nil, errSeal
	}
	return plain, nil
}
