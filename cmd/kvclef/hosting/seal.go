package hosting

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// sealVersion is the first byte of what is sealed.
const sealVersion = 1

// errSeal says no more than it knows: the cipher does not tell one from the other.
var errSeal = errors.New("the seal does not open: the key file is not the one that it was sealed under, or the record was changed")

// Seal keeps what is in records from those who read the store, and shows when one
// was changed or put in the place of another. It is AES-256-GCM with a random
// nonce: a version byte, 12 bytes of nonce, the text, 16 bytes of tag. The
// record's key is authenticated with it.
//
// Package signer/storage of go-ethereum does much the same over a JSON file. It is
// not used here because it swallows errors: its Put and Del return none, so that
// a secret that was not written, or not removed, is only a line of its own log; a
// file that is missing is an empty one; and an error of reading it is lost.
type Seal struct{ aead cipher.AEAD }

// NewSeal returns a seal under a key.
func NewSeal(key [32]byte) (*Seal, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Seal{aead}, nil
}

// LoadSeal returns a seal under the key in a file, which its owner alone may read:
// 64 hexadecimal digits. The setting's name is for errors.
func LoadSeal(setting, path string) (*Seal, error) {
	key, err := config.ReadHostedKey(setting, path)
	if err != nil {
		return nil, err
	}
	return NewSeal(key)
}

// close seals the text of a record.
func (s *Seal) close(key string, text []byte) []byte {
	return s.aead.Seal([]byte{sealVersion}, nil, text, []byte(key)) //nolint:gosec // G407: the nonce is its own, and random
}

// open returns the text of a record.
func (s *Seal) open(key string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, errors.New("it is not sealed in a way that this version knows")
	}
	text, err := s.aead.Open(nil, nil, sealed[1:], []byte(key))
	if err != nil {
		return nil, errSeal
	}
	return text, nil
}
