package audit

import (
	"errors"
	"fmt"
	"os"
)

// putAside makes the full segment durable, without the journal, and renames it. A
// crash leaves it with the old name or with the new one, and Open continues either.
//
// Where it can't be renamed, as on Windows while somebody reads it, it is
// written on and tried again later: that costs room, and no record.
func (l *Log) putAside() error {
	l.options.Hook(PointRotate)
	full := segmentName(l.path, l.active.first)
	if _, err := os.Lstat(full); err == nil {
		return l.breakUp(fmt.Errorf("rotating the audit log: %s is there already", full))
	}
	if err := l.journal.settle(l.active.file); err != nil {
		return l.breakUp(fmt.Errorf("making the audit log's full segment durable: %w", err))
	}
	// Windows renames no open file.
	err := release(l.active.file)
	l.active.file = nil
	if err != nil {
		return l.breakUp(fmt.Errorf("rotating the audit log: %w", err))
	}
	if err := l.options.rename(l.path, full); err != nil {
		l.options.Logger.Warn("Audit log not rotated: writing on in the full segment", "path", l.path, "bytes", l.active.size, "error", err)
		return l.writeOn()
	}
	l.active = segment{}
	l.options.Hook(PointRenamed)
	return nil
}

// writeOn opens the full segment again, which must be as it was.
func (l *Log) writeOn() error {
	f, err := l.options.open(l.path, os.O_RDWR, 0)
	if err != nil {
		return l.breakUp(fmt.Errorf("opening the audit log's full segment again: %w", err))
	}
	if err := claim(f, l.path); err != nil {
		return l.breakUp(errors.Join(fmt.Errorf("opening the audit log's full segment again: %w", err), f.Close()))
	}
	l.active.file = f
	l.active.extra += l.options.MaxBytes / 8
	return l.check()
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
		err = errors.Join(claim(f, l.path), syncFolder(l.folder))
	}
	if err != nil {
		return l.breakUp(errors.Join(fmt.Errorf("creating the audit log's next segment: %w", err), f.Close()))
	}
	l.active = segment{file: f, info: info}
	return nil
}
