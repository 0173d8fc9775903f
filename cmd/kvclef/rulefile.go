package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// maxRules bounds a policy and a rule file, in bytes.
const maxRules = 1 << 20

// rulesFile is a policy or a rule file that was read, once: what is hashed is what
// is loaded.
type rulesFile struct {
	kind   rules.FileKind
	path   string
	source []byte
	sha256 common.Hash
}

// readRules reads a policy or a rule file. A pipe that nobody writes to would
// never answer, and is refused.
func readRules(kind rules.FileKind, path string) (rulesFile, error) {
	source, err := readOrdinary(kind, path)
	if err != nil {
		return rulesFile{}, err
	}
	return rulesFile{kind: kind, path: path, source: source, sha256: sha256.Sum256(source)}, nil
}

func readOrdinary(kind rules.FileKind, path string) (source []byte, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, usagef("opening the %v: %s is no ordinary file: name one", kind, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("opening the %v: %w", kind, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	source, err = io.ReadAll(io.LimitReader(file, maxRules+1))
	if err != nil {
		return nil, usagef("reading the %v: %w", kind, err)
	}
	if len(source) > maxRules {
		return nil, usagef("reading the %v: %s has more than %d bytes", kind, path, maxRules)
	}
	return source, nil
}

// name is the file's as decisions and errors have it.
func (f rulesFile) name() string { return filepath.Base(f.path) }

// String says for the record what the file is.
func (f rulesFile) String() string {
	return fmt.Sprintf("%v with SHA-256 %x, %s", f.kind, f.sha256, f.path)
}
