package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// An unfinished last line is looked at again, since the writer may be in the
// middle of it; it stays so for microseconds.
const (
	patience      = 250 * time.Millisecond
	patiencePause = 10 * time.Millisecond
)

// reader reads the segments of a log in their order, while a writer may add to
// them and rotate.
type reader struct {
	path     string
	patience time.Duration
	past     uint64 // segments up to the one of this first entry are read, or not wanted
	segment  uint64 // first entry in the name of the current one; 0 if it is the active one
	first    uint64 // first entry read in it; 0 if none was
	file     *os.File
	scan     *scanner
	opened   int // segments
	bytes    int64
}

// newReader starts with the segment that has an entry, or with the oldest.
// Errors about its first line name it as entry start, if that is not 0.
func newReader(path string, seek, start uint64, patient time.Duration) (*reader, error) {
	r := &reader{path: path, patience: patient, scan: newScanner(nil, path, link{seq: start - 1}, true)}
	firsts, err := segments(path)
	if err != nil {
		return nil, err
	}
	// All that begin before the one that has the entry are passed over.
	if i := len(firsts) - len(after(firsts, seek)) - 1; i > 0 {
		r.past = firsts[i-1]
	}
	if err := r.advance(); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("no audit log at %s: %w", path, fs.ErrNotExist)
		}
		return nil, err
	}
	return r, nil
}

// next returns the next entry, and io.EOF when there is none yet.
func (r *reader) next(ctx context.Context) (Record, error) {
	for waited := time.Duration(0); ; {
		if err := ctx.Err(); err != nil {
			return Record{}, fmt.Errorf("reading the audit log: %w", err)
		}
		if r.file == nil {
			if err := r.advance(); err != nil {
				return Record{}, err
			}
		}
		record, err := r.scan.next()
		switch {
		case err == nil:
			if record.Line == 1 {
				r.first = record.Entry.Seq
			}
			r.bytes += int64(len(record.Raw)) + 1
			return record, r.named()
		case errors.Is(err, io.EOF):
			if err := r.end(); err != nil {
				return Record{}, err
			}
		case errors.Is(err, errUnfinished):
			if r.segment > 0 {
				return Record{}, r.scan.damage("a full segment ends with an unfinished line")
			}
			if waited >= r.patience {
				return Record{}, err
			}
			wait := min(patiencePause, r.patience)
			if err := pause(ctx, wait); err != nil {
				return Record{}, err
			}
			waited += wait
			if err := r.again(); err != nil {
				return Record{}, err
			}
		default:
			return Record{}, err
		}
	}
}

// end is called at the end of a segment; it returns io.EOF if that is the end
// of the log.
func (r *reader) end() error {
	if r.segment == 0 {
		firsts, err := segments(r.path)
		if err != nil {
			return err
		}
		newer := after(firsts, r.past)
		if err := r.again(); err != nil {
			return err
		}
		if len(newer) == 0 {
			return io.EOF
		}
		// It was put aside meanwhile: its name is the oldest that is newer, and
		// what it has now is all.
		r.segment = newer[0]
		return r.named()
	}
	if r.first == 0 {
		return r.scan.damage("the segment is empty")
	}
	r.past = r.segment
	r.close()
	return nil
}

// named checks that a full segment is named after its first entry.
func (r *reader) named() error {
	if r.segment == 0 || r.first == 0 || r.first == r.segment {
		return nil
	}
	return &DamageError{
		File: segmentName(r.path, r.segment), Line: 1, Seq: r.segment,
		Problem: fmt.Sprintf("the segment begins with entry %d", r.first),
	}
}

// advance opens the next segment: the oldest full one that was not read, or
// else the active one. It returns io.EOF if there is neither.
func (r *reader) advance() error {
	for {
		firsts, err := segments(r.path)
		if err != nil {
			return err
		}
		if newer := after(firsts, r.past); len(newer) > 0 {
			return r.open(segmentName(r.path, newer[0]), newer[0])
		}
		err = r.open(r.path, 0)
		gone := errors.Is(err, fs.ErrNotExist)
		if err != nil && !gone {
			return err
		}
		// A rotation between the two looks would have put the next one aside.
		if firsts, err = segments(r.path); err != nil {
			return err
		}
		if len(after(firsts, r.past)) > 0 {
			if !gone {
				r.close()
				r.opened--
			}
			continue
		}
		if gone {
			return io.EOF
		}
		return nil
	}
}

// open begins a segment.
func (r *reader) open(name string, first uint64) error {
	if err := regular(name); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening a segment of the audit log: %w", err)
	}
	r.file, r.segment, r.first = f, first, 0
	r.opened++
	r.scan.file, r.scan.line, r.scan.offset = name, 0, 0
	r.scan.reset(f)
	return nil
}

// again looks at the same place once more.
func (r *reader) again() error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("looking at the audit log: %w", err)
	}
	if info.Size() < r.scan.offset {
		return r.scan.damage(fmt.Sprintf("the file was cut back to %d bytes while it was read", info.Size()))
	}
	if _, err := r.file.Seek(r.scan.offset, io.SeekStart); err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	r.scan.reset(r.file)
	return nil
}

// close gives up the current segment.
func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() // it is only read
		r.file = nil
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reading the audit log: %w", ctx.Err())
	}
}
