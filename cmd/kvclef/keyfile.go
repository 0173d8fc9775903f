package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// maxKeyFile bounds a file with a private key, in bytes.
const maxKeyFile = 1 << 10

// readKey reads a secp256k1 private key: 64 hexadecimal digits, with or
// without 0x before them and white space around them, as geth's nodekey files
// have. No error shows what the file holds. A file that others may read gets a
// warning: the key may be known already.
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
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	key, ok := parseKey(string(data))
	if !ok {
		return nil, usagef("%s does not hold a private key: want 64 hexadecimal digits, with or without 0x, that are a secp256k1 key", path)
	}
	return key, nil
}

// parseKey keeps the reason to itself: it might show a part of the key.
func parseKey(text string) (*ecdsa.PrivateKey, bool) {
	text = strings.TrimSpace(text)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	if len(text) != 64 {
		return nil, false
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, false
	}
	key, err := crypto.ToECDSA(raw)
	return key, err == nil
}
