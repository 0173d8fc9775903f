// Package datadir knows the folder in which a signer keeps what must outlive
// it: the store of its durable state and, unless that is elsewhere, the audit
// log. The folder belongs to the signer's user alone.
//
// The package makes the folder and checks it; it never opens what is in it.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a data directory that was found to be one.
type Dir struct {
	path string
}

// Path returns the folder.
func (d Dir) Path() string { return d.path }

// Store returns the file of the durable state.
func (d Dir) Store() string { return filepath.Join(d.path, "state.db") }

// AuditLog returns the file of the audit log where the configuration names no
// other.
func (d Dir) AuditLog() string { return filepath.Join(d.path, "audit.log") }

// AdminSocket returns the socket on which a running signer answers for the
// directory.
func (d Dir) AdminSocket() string { return filepath.Join(d.path, "admin.sock") }

// Absolute returns a path for people: a relative one is to be told together with the
// folder that it was taken from.
func Absolute(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return absolute
}

// MissingError is that there is no data directory. Flags are those that name it to
// kvclef init; without any it is named by its path.
type MissingError struct {
	Path, Flags string
}

func (e *MissingError) Error() string {
	flags := e.Flags
	if flags == "" {
		flags = " --datadir " + Absolute(e.Path)
	}
	return "there is no data directory " + Absolute(e.Path) + ": make it with kvclef init" + flags
}

// Find returns an existing folder, whoever's it is: for commands that look into
// it.
func Find(path string) (Dir, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return Dir{}, &MissingError{Path: path}
	case err != nil:
		return Dir{}, fmt.Errorf("looking for the data directory: %w", err)
	case !info.IsDir():
		return Dir{}, fmt.Errorf("the data directory %s is no folder: give another by --datadir", Absolute(path))
	}
	return Dir{path: path}, nil
}

// Open returns an existing folder that is its user's alone: for commands that
// write there.
func Open(path string) (Dir, error) {
	dir, err := Find(path)
	if err != nil {
		return Dir{}, err
	}
	if err := checkPrivate(path); err != nil {
		return Dir{}, err
	}
	return dir, nil
}

// Make returns the folder, which it makes durably if it is missing, with those
// above it.
func Make(path string) (Dir, error) {
	if _, err := os.Stat(path); err == nil {
		return Open(path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return Dir{}, fmt.Errorf("making the data directory: %w", err)
	}
	if err := Sync(filepath.Dir(filepath.Clean(path))); err != nil {
		return Dir{}, fmt.Errorf("making the data directory: %w", err)
	}
	return Open(path)
}
