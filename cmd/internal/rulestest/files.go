package rulestest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxFile bounds a case's file, in bytes: a request with six blobs has less
// than two million.
const MaxFile = 8 << 20

// Find returns the files of cases that paths name: files as they are, and of
// folders every .json file below them, in the order of the names. A folder
// without any is an error, so that a test that tests nothing doesn't pass.
func Find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := below(path)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no .json file in this folder", path)
		}
		files = append(files, found...)
	}
	return files, nil
}

// below returns the .json files of a folder and of those in it. What begins
// with a dot is left out.
func below(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(entry.Name(), ".") && path != folder; {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return filepath.SkipDir
		case !hidden && !entry.IsDir() && strings.EqualFold(filepath.Ext(path), ".json"):
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// ReadFile reads the case in a file.
func ReadFile(path string) (*Case, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return Read(path, file)
}

// Read reads a case; the name goes before what is wrong with it.
func Read(name string, from io.Reader) (*Case, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s: a case has at most %d bytes", name, MaxFile)
	}
	c, err := Decode(data)
	var broken *syntaxError
	switch {
	case errors.As(err, &broken):
		return nil, fmt.Errorf("%s:%w", name, err) // as compilers do: file:line:column
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	default:
		return c, nil
	}
}
