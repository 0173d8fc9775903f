package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/ethereum/go-ethereum/crypto"
)

// maxKeyFile bounds a file with a private key, in bytes.
const maxKeyFile = 1 << 10

// readKey reads a secp256k1 private key: 64 hexadecimal digits, with or
// without 0x before them and white space around them, as geth's nodekey files
// have. No error shows what the file holds, and of its text nothing stays in memory:
// the key is the caller's to wipe. A file that others may read gets a warning: the
// key may be known already.
func (p *program) readKey(path string) (*ecdsa.PrivateKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("opening the private key: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the private key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		p.sayf("kvclef: warning: %s has mode %#o, so others can read the private key: run chmod 600 %s", path, mode, path)
	}
	text := make([]byte, maxKeyFile+1) // of one size: a buffer that grows leaves copies
	defer clear(text)
	n, err := io.ReadFull(file, text)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	key, ok := parseKey(text[:n])
	if !ok {
		return nil, usagef("%s does not hold a private key: want 64 hexadecimal digits, with or without 0x, that are a secp256k1 key", path)
	}
	return key, nil
}

// parseKey keeps the reason to itself: it might show a part of the key.
func parseKey(text []byte) (*ecdsa.PrivateKey, bool) {
	text = bytes.TrimSpace(text)
	text = bytes.TrimPrefix(bytes.TrimPrefix(text, []byte("0x")), []byte("0X"))
	var raw [32]byte
	defer clear(raw[:])
	if len(text) != hex.EncodedLen(len(raw)) {
		return nil, false
	}
	if _, err := hex.Decode(raw[:], text); err != nil {
		return nil, false
	}
	key, err := crypto.ToECDSA(raw[:])
	return key, err == nil
}
