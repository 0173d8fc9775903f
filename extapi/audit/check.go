package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLooks bounds how often a log is looked at anew that is rotated meanwhile.
const maxLooks = 8

// Check finds whether [Open] would take up the log at path, of which an entry is known. It
// reads what Open reads, changes nothing, and takes no lock: a signer may be writing. What
// a crash leaves is in order, and so is a log that is not there yet.
func Check(ctx context.Context, path string, known Head) error {
	_, err := examine(ctx, path, known)
	return err
}

// examine reads what Open reads, and returns what the log's end is to become.
func examine(ctx context.Context, path string, known Head) (ending, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return ending{}, fmt.Errorf("looking at the audit log: %w", err)
	}
	if err := CheckPlace(path); err != nil {
		return ending{}, err
	}
	for range maxLooks {
		l := &Log{path: path, options: Options{Known: known}.withDefaults()}
		if found, again, err := l.look(ctx); err != nil || !again {
			return found, err
		}
	}
	return ending{}, fmt.Errorf("the audit log %s is rotated faster than it can be read: try again", path)
}

// look reads the log. It is to be done again if what was read is of two times.
func (l *Log) look(ctx context.Context) (found ending, again bool, err error) {
	f, err := os.Open(l.path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return found, false, fmt.Errorf("looking at the audit log: %w", err)
	}
	if f != nil {
		defer func() { _ = f.Close() }() // it is only read
	}
	firsts, last, err := l.before()
	if err != nil {
		return found, false, err
	}
	if still, err := l.still(f); err != nil || !still {
		return found, true, err
	}
	if missing {
		found, err = l.without(ctx, last, firsts)
		return found, false, err
	}
	l.active.file = f
	if found, err = l.read(ctx, firsts, last); err == nil {
		return found, false, nil
	}
	// The journal may be of a later time, after a rotation.
	if still, looked := l.still(f); looked == nil && !still {
		return found, true, nil
	}
	return found, false, err
}

// still tells whether a file is the active segment, nil for none.
func (l *Log) still(f *os.File) (bool, error) {
	now, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f == nil, nil
	case err != nil:
		return false, fmt.Errorf("looking at the audit log: %w", err)
	case f == nil:
		return false, nil
	}
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("looking at the audit log: %w", err)
	}
	return os.SameFile(now, info), nil
}

// Crashed tells whether a log has a journal: somebody writes it, or the last one who did has
// crashed, and its end may be there alone. It is false where that can't be seen.
func Crashed(path string) bool {
	_, err := os.Lstat(path + journalSuffix)
	return err == nil
}

// Mend completes the log at path, which nobody is to write any more, with what a crash
// left in its journal. Without a journal there is nothing to do. ErrLocked means that
// somebody writes the log, so that readers find all of it.
func Mend(ctx context.Context, path string, options Options) error {
	if _, err := os.Lstat(path + journalSuffix); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l, err := Open(ctx, path, options)
	if err != nil {
		return fmt.Errorf("completing the audit log from its journal: %w", err)
	}
	return l.Close()
}
