package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// write replaces the file: a crash leaves the old one or the new one.
func (f *stateFile) write(state savedState) error {
	b, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := f.unchanged(); err != nil {
		return err
	}
	dir := filepath.Dir(f.path)
	tmp, err := os.CreateTemp(dir, filepath.Base(f.path)+".*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("writing state file: %w", err)
	}
	info, err := fill(tmp, b)
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing state file: %w", err), os.Remove(tmp.Name()))
	}
	f.known = info
	return syncDir(dir)
}

// fill makes the content durable and closes the file.
func fill(tmp *os.File, content []byte) (fs.FileInfo, error) {
	_, err := tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	info, statErr := tmp.Stat()
	return info, errors.Join(err, statErr, tmp.Close())
}

// unchanged refuses to write over what another process wrote: each would lose
// the other's keys.
func (f *stateFile) unchanged() error {
	now, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.known == nil:
		return nil
	case err != nil:
		return fmt.Errorf("writing state file: %w", err)
	case f.known == nil || !os.SameFile(now, f.known) || !now.ModTime().Equal(f.known.ModTime()) || now.Size() != f.known.Size():
		return fmt.Errorf("state file %s was changed by another process: run one emulator on it", f.path)
	}
	return nil
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("writing state file: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
