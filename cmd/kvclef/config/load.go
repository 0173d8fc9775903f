package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"regexp"
	"runtime"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxSize bounds a configuration file, in bytes.
const maxSize = 1 << 20

// MisreadError is that parts of a file have no meaning. The others were read.
type MisreadError struct{ Problems error }

// Error tells them, each on a line.
func (e *MisreadError) Error() string { return e.Problems.Error() }

// Unwrap returns them, each by itself.
func (e *MisreadError) Unwrap() []error { return []error{e.Problems} }

// Load reads a configuration file over the defaults. A file that holds a
// secret must be readable by its owner alone. With a [MisreadError], or if others can
// read it, comes what could be read.
func Load(path string) (*Config, error) {
	data, mode, err := ReadOrdinary(path, maxSize)
	if err != nil {
		return nil, fmt.Errorf("opening the configuration: %w", err)
	}
	cfg, err := Parse(path, data)
	if cfg == nil {
		return nil, err
	}
	return cfg, errors.Join(err, checkMode(path, mode, cfg))
}

// Parse reads a configuration over the defaults. The file's name is for errors. With a
// [MisreadError] comes what could be read.
func Parse(file string, data []byte) (*Config, error) {
	cfg := Default()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return cfg, nil // an empty file stands for the defaults
	case err != nil:
		return nil, syntaxError(file, err)
	}
	misread := (checker{file}).check(document.Content[0], reflect.TypeFor[Config](), "")
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document; put everything into one", file, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(file, err)
	}
	err := document.Content[0].Decode(cfg)
	switch {
	case misread != nil:
		return cfg, &MisreadError{misread}
	case err != nil:
		return nil, syntaxError(file, err)
	}
	return cfg, nil
}

// syntaxError puts the file's name before the line in an error of the parser.
func syntaxError(file string, err error) error {
	match := regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`).FindStringSubmatch(err.Error())
	if match == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	line, problem := match[1], match[2]
	// The YAML package counts lines from 0 in the errors of its grammar, which
	// are these, and from 1 in all others.
	if n, err := strconv.Atoi(line); err == nil && regexp.MustCompile(`^did not find expected (key|node content|['<])`).MatchString(problem) {
		line = strconv.Itoa(n + 1)
	}
	if problem == "found character that cannot start any token" {
		problem += "; indent with spaces, not with tabs"
	}
	return fmt.Errorf("%s:%s: %s", file, line, problem)
}

// checkMode refuses a file with a secret in it that others may read. Windows
// has no such mode.
func checkMode(path string, mode fs.FileMode, cfg *Config) error {
	if mode.Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	for _, vault := range cfg.Vaults {
		if !vault.Credential.Secret.IsZero() {
			return fmt.Errorf("%s holds the secret of vault %s and has mode %#o: run chmod 600 %s", path, vault.Name, mode.Perm(), path)
		}
	}
	return nil
}
