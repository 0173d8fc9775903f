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

// Load reads a configuration file over the defaults. A file that holds a
// secret must be readable by its owner alone.
func Load(path string) (*Config, error) {
	data, mode, err := ReadOrdinary(path, maxSize)
	if err != nil {
		return nil, fmt.Errorf("opening the configuration: %w", err)
	}
	cfg, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	if err := checkMode(path, mode, cfg); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Parse reads a configuration over the defaults. The file's name is for errors.
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
	if err := (checker{file}).check(document.Content[0], reflect.TypeFor[Config](), ""); err != nil {
		return nil, err
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document; put everything into one", file, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(file, err)
	}
	if err := document.Content[0].Decode(cfg); err != nil {
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
