package clefdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// secrecy says who else may have a file.
type secrecy fs.FileMode

// Of mode bits, those that a file must not have.
const (
	ownersAlone  secrecy = 0o077 // nobody else reads or writes it
	ownersToEdit secrecy = 0o022 // others may read it
)

// readFile reads an ordinary file of at most so many bytes. Its folder is open
// already, so that no link leads elsewhere, and what is checked is what is read.
func readFile(root *os.Root, name string, most int64, secrecy secrecy) (data []byte, err error) {
	path := filepath.Join(root.Name(), name)
	named, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if err := checkKind(path, named); err != nil {
		return nil, err
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if !os.SameFile(named, info) {
		return nil, fmt.Errorf("%s was replaced while it was read: stop what writes there, and try again", path)
	}
	if err := checkMode(path, info, secrecy); err != nil {
		return nil, err
	}
	if data, err = io.ReadAll(io.LimitReader(file, most+1)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes, which Clef does not write: see what it is", path, most)
	}
	return data, nil
}

// readPath reads a file that is named by its path.
func readPath(path string, most int64, secrecy secrecy) (data []byte, err error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return readFile(root, filepath.Base(path), most, secrecy)
}

func checkKind(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, which Clef does not make: name where the file is, or put the file in its place", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file: see what it is", path)
	}
	return nil
}

// checkMode refuses a file that others can get at. Windows has no such mode.
func checkMode(path string, info fs.FileInfo, secrecy secrecy) error {
	mode := info.Mode().Perm()
	if mode&fs.FileMode(secrecy) == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return fmt.Errorf("%s has mode %#o, so others can get at it: find out who did, then run chmod go= %s", path, mode, path)
}

// cause leaves the operation and the name out of an error of the file system:
// they are said already.
func cause(err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
