package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// acquire takes the lock beside the log, which ends with the process at the
// latest. The file stays: were it removed, two could hold two of that name.
func acquire(path string) (*os.File, error) {
	name := path + lockSuffix
	if err := regular(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log's lock: %w", err)
	}
	ok, err := tryLock(f)
	if err == nil && ok {
		err = leave(f)
		if err == nil {
			return f, nil
		}
	}
	defer func() { _ = f.Close() }() // what it says is read before
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return nil, fmt.Errorf("%w: %s writes %s; stop it, or give this one another file", ErrLocked, owner(f), path)
}

// claim takes a segment itself: by another name of the same file, such as a hard
// link, another signer has another lock beside it.
func claim(f file, path string) error {
	ok, err := tryLock(f)
	switch {
	case err != nil:
		return fmt.Errorf("locking %s: %w", path, err)
	case !ok:
		return fmt.Errorf("%w: another signer writes the file %s by another name; stop it, or give this one another file", ErrLocked, path)
	}
	return nil
}

// release closes a file and gives its lock to whoever wants it next.
func release(f file) error { return errors.Join(unlock(f), f.Close()) }

// closeFolder closes what openFolder opened.
func closeFolder(folder *os.File) error {
	if folder == nil {
		return nil
	}
	return folder.Close()
}

// leave writes the process id for whoever finds the log in use.
func leave(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return errors.Join(f.Truncate(int64(len(strconv.Itoa(os.Getpid()))+1)), err)
}

// owner says who holds the lock.
func owner(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
