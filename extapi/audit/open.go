package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Open opens the log at path for writing, or makes an empty one in a directory
// that exists. It reads the active segment in full, and checks that it goes on
// where the segment before ended and that it holds what the newest checkpoint
// covers and what [Options.Known] says. All that it read is durable when it returns.
//
// What a crash leaves is repaired, with what the journal has, and recorded as [EventRecovered]. Anything
// else is a [*DamageError], and the log stays as it is. ErrLocked means that
// another process has it.
func Open(ctx context.Context, path string, options Options) (*Log, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	if options.MaxBytes < 0 {
		return nil, fmt.Errorf("opening the audit log: segments of %d bytes can't be", options.MaxBytes)
	}
	if err := CheckPlace(path); err != nil {
		return nil, err
	}
	folder, err := openFolder(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("opening the audit log's directory: %w", err)
	}
	lock, err := acquire(path)
	if err != nil {
		return nil, errors.Join(err, closeFolder(folder))
	}
	l := &Log{path: path, options: options.withDefaults(), lock: lock, folder: folder, done: make(chan struct{}), grown: make(chan struct{}, 1)}
	l.work = sync.NewCond(&l.mu)
	notes, err := l.load(ctx)
	if err != nil {
		if l.active.file != nil {
			err = errors.Join(err, release(l.active.file))
		}
		return nil, errors.Join(err, l.journal.close("", false), closeFolder(folder), release(lock))
	}
	l.options.Hook(PointOpened)
	go l.run()
	if len(notes) > 0 {
		if err := l.Append(ctx, Entry{Event: EventRecovered, Note: strings.Join(notes, "; ")}); err != nil {
			l.unrecorded = true
			return nil, errors.Join(fmt.Errorf("recording the audit log's recovery: %w", err), l.Close())
		}
	}
	return l, nil
}

// CheckPlace refuses a path at which there can be no log. It opens nothing.
func CheckPlace(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the audit log: the directory %s does not exist: create it, for this user alone", filepath.Dir(path))
	}
	for _, suffix := range []string{"", lockSuffix, checkpointSuffix, journalSuffix} {
		if err := regular(path + suffix); err != nil {
			return err
		}
	}
	return nil
}

// load reads the log and returns what was repaired.
func (l *Log) load(ctx context.Context) (notes []string, err error) {
	firsts, last, err := l.before()
	if err != nil {
		return nil, err
	}
	f, err := l.options.open(l.path, os.O_RDWR, 0)
	missing := errors.Is(err, fs.ErrNotExist)
	var found ending
	switch {
	case missing:
		if found, err = l.without(ctx, last, firsts); err != nil {
			return nil, err
		}
		if err := l.create(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("opening the audit log: %w", err)
	default:
		if err := claim(f, l.path); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		l.active.file = f
	}
	info, err := l.active.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	l.active.info = info
	switch {
	case missing && (len(firsts) > 0 || len(found.rest) > 0):
		notes = append(notes, "the active segment was missing, as after a crash while the log was rotated")
	case !missing && info.Size() == 0 && len(firsts) > 0:
		notes = append(notes, "the active segment was empty, as after a crash while the log was rotated")
	}
	if !missing {
		if found, err = l.read(ctx, firsts, last); err != nil {
			return nil, err
		}
	}
	mended, err := l.mend(found)
	if err != nil {
		return nil, err
	}
	notes = append(notes, mended...)
	if before := found.note; before != "" {
		again := func(note string) bool { return strings.Contains(before, note) }
		notes = slices.Insert(slices.DeleteFunc(notes, again), 0, before)
	}
	// What a process left behind when it died may be in memory alone.
	if err := errors.Join(l.active.file.Sync(), syncFolder(l.folder)); err != nil {
		return nil, fmt.Errorf("making the audit log durable: %w", err)
	}
	return notes, l.openJournal(strings.Join(notes, "; "))
}

// before reads the newest checkpoint, and what there is before the active segment: the
// first entries of full segments, and the last of the last.
func (l *Log) before() (firsts []uint64, last link, err error) {
	if firsts, err = segments(l.path); err != nil {
		return nil, link{}, err
	}
	last = beginning()
	if len(firsts) > 0 {
		if last, err = lastLink(segmentName(l.path, firsts[len(firsts)-1])); err != nil {
			return nil, link{}, err
		}
	}
	l.checkpoint, _, err = readCheckpoint(l.path + checkpointSuffix)
	return firsts, last, err
}

// read reads the active segment, compares the log with what is known of it, and returns
// what a crash left at its end.
func (l *Log) read(ctx context.Context, firsts []uint64, last link) (ending, error) {
	journal, err := readJournal(l.path)
	if err != nil {
		return ending{}, err
	}
	scan := newScanner(io.NewSectionReader(l.active.file, 0, math.MaxInt64), l.path, last, len(firsts) == 0)
	told, toldEnd := last, int64(0) // the last entry that the journal has, too, and where it ends
	seen := func(at link) {
		if journal.held[at.hash] {
			told, toldEnd = at, scan.offset
		}
	}
	entries, cause := l.scan(ctx, scan, seen, l.checkpoint.Seq, l.options.Known.Seq)
	l.active.size = scan.offset
	found := ending{last: scan.last, rest: journal.after(scan.last), crashed: journal.there}
	if cause != nil {
		info, err := l.active.file.Stat()
		if err != nil {
			return ending{}, fmt.Errorf("looking at the audit log: %w", err)
		}
		untold := journal.newest(told)
		if len(found.rest) > 0 {
			untold, toldEnd = true, scan.offset+found.bytes()
		}
		if found.tail, found.odd, err = l.tail(scan, cause, info.Size(), untold && info.Size()-toldEnd <= maxBatchBytes+maxLine); err != nil {
			return ending{}, err
		}
	}
	found.note = journal.unrecorded(found.end())
	if len(found.rest) == 0 && !journal.newest(told) {
		if err := journal.apart(l.path, scan.last); err != nil {
			return ending{}, err
		}
	}
	return found, l.compareEnd(ctx, found, entries, firsts)
}

// without is read where there is no active segment.
func (l *Log) without(ctx context.Context, last link, firsts []uint64) (ending, error) {
	journal, err := readJournal(l.path)
	if err != nil {
		return ending{}, err
	}
	found := ending{last: last, rest: journal.after(last), crashed: journal.there}
	found.note = journal.unrecorded(found.end())
	if len(found.rest) == 0 && !journal.newest(last) {
		if err := journal.apart(l.path, last); err != nil {
			return ending{}, err
		}
	}
	return found, l.compareEnd(ctx, found, nil, firsts)
}

// compareEnd compares the log, with what the journal has of it, with what is known of it.
func (l *Log) compareEnd(ctx context.Context, found ending, entries map[uint64]link, firsts []uint64) error {
	if entries == nil {
		entries = make(map[uint64]link, len(found.rest))
	}
	for _, entry := range found.rest {
		entries[entry.at.seq] = entry.at
	}
	l.head = found.end()
	return l.compare(ctx, entries, firsts)
}

// scan reads the active segment to its end, tells seen of each entry's place, and returns
// those of the entries with the numbers that are there.
func (l *Log) scan(ctx context.Context, s *scanner, seen func(link), numbers ...uint64) (entries map[uint64]link, err error) {
	entries = make(map[uint64]link)
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		record, err := s.next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return entries, err
		}
		if l.active.first == 0 {
			l.active.first = record.Entry.Seq
		}
		seen(s.last)
		if slices.Contains(numbers, record.Entry.Seq) {
			entries[record.Entry.Seq] = s.last
		}
	}
}

// lastLink reads the last line of a full segment.
func lastLink(name string) (link, error) {
	if err := regular(name); err != nil {
		return link{}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return link{}, fmt.Errorf("opening the audit log's newest full segment: %w", err)
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	if err != nil {
		return link{}, fmt.Errorf("looking at the audit log's newest full segment: %w", err)
	}
	start := max(0, info.Size()-maxLine)
	end, err := io.ReadAll(io.NewSectionReader(f, start, maxLine))
	if err != nil {
		return link{}, fmt.Errorf("reading the audit log's newest full segment: %w", err)
	}
	text, ok := strings.CutSuffix(string(end), "\n")
	if !ok {
		return link{}, &DamageError{File: name, Offset: info.Size(), Problem: "the segment does not end with a whole line"}
	}
	from := strings.LastIndexByte(text, '\n') + 1
	entry, hash, err := decodeLine([]byte(text[from:]))
	if err != nil {
		return link{}, &DamageError{File: name, Offset: start + int64(from), Problem: err.Error()}
	}
	return link{seq: entry.Seq, hash: hash}, nil
}
