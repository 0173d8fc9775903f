package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// putAside renames the full segment. All of it is durable. A crash leaves it
// with the old name or with the new one, and Open continues either.
func (l *Log) putAside() error {
	l.options.Hook(PointRotate)
	full := segmentName(l.path, l.active.first)
	if _, err := os.Lstat(full); err == nil {
		return l.breakUp(fmt.Errorf("rotating the audit log: %s is there already", full))
	}
	// Windows renames no open file.
	err := l.active.file.Close()
	l.active.file = nil
	if err == nil {
		err = os.Rename(l.path, full)
	}
	if err != nil {
		return l.breakUp(fmt.Errorf("rotating the audit log: %w", err))
	}
	l.active = segment{}
	l.options.Hook(PointRenamed)
	return nil
}

// create makes an empty active segment. If that fails, on a full disk, the next
// write tries again. No entry is in it before its name is durable.
func (l *Log) create() error {
	f, err := l.options.open(l.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating the audit log's next segment: %w", err)
	}
	l.options.Hook(PointCreated)
	info, err := f.Stat()
	if err == nil {
		err = syncDir(filepath.Dir(l.path))
	}
	if err != nil {
		return l.breakUp(errors.Join(fmt.Errorf("creating the audit log's next segment: %w", err), f.Close()))
	}
	l.active = segment{file: f, info: info}
	return nil
}
