package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The journal is a file of one size beside the active segment, and holds what was
// written there last. Entries are durable in it first: to flush a file that has grown, a
// file system writes the new bytes, and then what it has noted of the file's size; to
// flush what was written over in a file, the bytes alone, which takes a third of the time
// (ext4 with its journal).
//
// It has two halves. When one is full, the other is written over, and the segment is
// flushed meanwhile; before the first half is written over again, that has ended. So
// whatever a power cut takes from the end of the segment is here, and [Open] brings it
// back. A log that is closed has no journal.

// journalHalf is the size of a half, in bytes. The longest write fits.
const (
	journalHalf = 2 << 20
	maxJournal  = 2 * journalHalf
)

// journal is the writer's.
type journal struct {
	file     file        // nil without a journal: then the segment is flushed each time
	info     fs.FileInfo // which file it is
	half     int64       // bytes of each half
	start    int64       // of the half that is written
	used     int64       // bytes of that
	flushing chan error  // takes what came of a flush of the segment; nil is none under way
}

// openJournal makes a new journal. What an older one has is in the segment, and durable there.
// The note is what is about to be recorded of that: the next start does it, if this one can't.
func (l *Log) openJournal(note string) error {
	half := l.options.journal
	if half < 0 {
		return nil
	}
	name := l.path + journalSuffix
	// There is one journal or the other, and nothing between: see [leftover].
	if err := os.Remove(name); err == nil {
		err = syncFolder(l.folder)
		if err != nil {
			return fmt.Errorf("removing the audit log's journal: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the audit log's journal: %w", err)
	}
	f, err := l.options.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making the audit log's journal: %w", err)
	}
	// Zeros are written, and not left out: the file system is to have a place for each byte.
	text := make([]byte, 2*half)
	begin := fmt.Appendf(nil, anchorFormat, l.head.seq, l.head.hash)
	if noted := fmt.Appendf(nil, noteFormat, note); note != "" && len(noted) <= maxNote {
		begin = append(begin, noted...)
	}
	used := copy(text[:half], begin)
	l.journal = journal{file: f, half: half, used: int64(used)}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		l.journal.info, err = f.Stat()
	}
	if err = errors.Join(err, f.Sync(), syncFolder(l.folder)); err != nil {
		return fmt.Errorf("making the audit log's journal %s of %d bytes: %w", name, len(text), err)
	}
	return nil
}

// write puts what was just written to the segment into the journal.
func (j *journal) write(text []byte, segment file) error {
	if j.file == nil {
		return nil
	}
	if err := j.flushed(false); err != nil {
		return err
	}
	if int64(len(text)) > j.half {
		return fmt.Errorf("%d bytes are more than its %d", len(text), j.half)
	}
	if j.used+int64(len(text)) > j.half {
		if err := j.turn(segment); err != nil {
			return err
		}
	}
	if _, err := j.file.WriteAt(text, j.start+j.used); err != nil {
		return err
	}
	j.used += int64(len(text))
	return nil
}

// turn goes on in the other half. All that it has was written before the flush that is
// waited for. What is left in this half of the turn before would follow nothing any more.
func (j *journal) turn(segment file) error {
	if err := j.flushed(true); err != nil {
		return err
	}
	if _, err := j.file.WriteAt(make([]byte, j.half-j.used), j.start+j.used); err != nil {
		return err
	}
	if err := syncData(j.file); err != nil {
		return err
	}
	j.start, j.used = j.half-j.start, 0
	flushing := make(chan error, 1)
	j.flushing = flushing
	go func() { flushing <- segment.Sync() }()
	return nil
}

// sync makes what was written last durable.
func (j *journal) sync(segment file) error {
	if j.file == nil {
		return segment.Sync()
	}
	return syncData(j.file)
}

// flushed returns what came of the flush of the segment that is under way. It waits for
// that, or else looks whether it has ended.
func (j *journal) flushed(wait bool) (err error) {
	switch {
	case j.flushing == nil:
		return nil
	case wait:
		err = <-j.flushing
	default:
		select {
		case err = <-j.flushing:
		default:
			return nil
		}
	}
	j.flushing = nil
	return err
}

// settle makes all of the segment durable where it is.
func (j *journal) settle(segment file) error {
	err := j.flushed(true)
	if j.file == nil {
		return err
	}
	return errors.Join(err, segment.Sync())
}

// check finds out when something else has taken the journal away.
func (j *journal) check(name string) error {
	if j.file == nil {
		return nil
	}
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return fmt.Errorf("looking at the audit log's journal: %w", err)
	case !os.SameFile(info, j.info) || info.Size() != 2*j.half:
		return fmt.Errorf("audit log %s was replaced or changed by something else: leave it to kvclef", name)
	}
	return nil
}

// close ends the journal. It is removed when all that it has is durable elsewhere.
func (j *journal) close(name string, spent bool) error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close() // Windows removes no open file
	if spent && err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("closing the audit log's journal: %w", err)
	}
	return nil
}
