package main

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
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

// readRules reads a policy or a rule file.
func readRules(kind rules.FileKind, path string) (rulesFile, error) {
	source, _, err := config.ReadOrdinary(path, maxRules)
	if err != nil {
		return rulesFile{}, usagef("opening the %v: %w", kind, err)
	}
	return rulesFile{kind: kind, path: path, source: source, sha256: sha256.Sum256(source)}, nil
}

// name is the file's as decisions and errors have it.
func (f rulesFile) name() string { return filepath.Base(f.path) }

// String says for the record what the file is.
func (f rulesFile) String() string {
	return fmt.Sprintf("%v with SHA-256 %x, %s", f.kind, f.sha256, f.path)
}
