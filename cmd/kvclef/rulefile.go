package main

import (
	"errors"
	"io"
	"os"
)

// maxRules bounds a rule file, in bytes.
const maxRules = 1 << 20

// readRules reads a rule file, once: what is hashed is what is loaded. A pipe
// that nobody writes to would never answer, and is refused.
func readRules(path string) (source []byte, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, usagef("opening the rule file: %s is no ordinary file: name one", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("opening the rule file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	source, err = io.ReadAll(io.LimitReader(file, maxRules+1))
	if err != nil {
		return nil, usagef("reading the rule file: %w", err)
	}
	if len(source) > maxRules {
		return nil, usagef("reading the rule file: %s has more than %d bytes", path, maxRules)
	}
	return source, nil
}
