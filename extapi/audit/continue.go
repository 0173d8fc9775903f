package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ending is what the end of a log is to become.
type ending struct {
	last    link      // the last entry that is in place
	tail    []byte    // what a crash left behind it, to be cut off
	odd     bool      // that is more than an unfinished line
	rest    []carried // of the journal, that go on from it
	crashed bool      // the log was not closed
	note    string    // of what an earlier start brought in order, and did not come to record
}

// carried is a line that the journal has, and its place in the chain.
type carried struct {
	line []byte
	at   link
}

// bytes is how long the lines of the journal are that go on.
func (e *ending) bytes() (n int64) {
	for _, entry := range e.rest {
		n += int64(len(entry.line))
	}
	return n
}

// end returns the last entry of all.
func (e *ending) end() link {
	if n := len(e.rest); n > 0 {
		return e.rest[n-1].at
	}
	return e.last
}

// leftover is what a journal has whose log was not closed: entries that follow one another
// without a gap, up to the newest that somebody may have been told of; and perhaps some
// of those that were being written.
type leftover struct {
	there bool               // there is one
	next  map[string]carried // by the hash of what they follow
	held  map[string]bool    // by their own
	end   link               // the newest
	first link               // that was the log's last when the journal was made
	note  string             // to be recorded next after that
}

// readJournal reads the journal. What is in it besides whole lines is the beginning or the
// end of one that was written over.
func readJournal(path string) (leftover, error) {
	found := leftover{next: make(map[string]carried), held: make(map[string]bool)}
	name := path + journalSuffix
	if err := regular(name); err != nil {
		return found, err
	}
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found, nil
	case err != nil:
		return found, fmt.Errorf("opening the audit log's journal: %w", err)
	}
	defer func() { _ = f.Close() }() // it is only read
	found.there = true
	text, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return found, fmt.Errorf("reading the audit log's journal: %w", err)
	}
	if at, named := anchorOf(text); named {
		found.held[at.hash], found.first, found.end = true, at, at
		found.note = noteOf(text)
	}
	// A half may end within a line that was written over.
	for _, half := range [][]byte{text[:len(text)/2], text[len(text)/2:]} {
		for line := range bytes.Lines(half) {
			if err := found.add(line); err != nil {
				return found, &DamageError{File: name, Problem: err.Error()}
			}
		}
	}
	return found, nil
}

// add keeps a line, if it is a whole one.
func (f *leftover) add(line []byte) error {
	bare, whole := bytes.CutSuffix(line, []byte("\n"))
	if !whole || !bytes.HasPrefix(bare, []byte(lineStart)) {
		return nil
	}
	entry, hash, err := decodeLine(bare)
	if err != nil {
		return nil //nolint:nilerr // it was written over, or a crash spoilt it
	}
	if other, again := f.next[entry.Prev]; again && other.at.hash != hash {
		return fmt.Errorf("it has two entries that follow number %d", entry.Seq-1)
	}
	f.next[entry.Prev] = carried{line: line, at: link{seq: entry.Seq, hash: hash}}
	f.held[hash] = true
	if entry.Seq > f.end.seq {
		f.end = link{seq: entry.Seq, hash: hash}
	}
	return nil
}

// apart is the error of a journal with entries of which the log does not have the newest: what
// the journal has is missing there, or is of another log.
func (f *leftover) apart(path string, end link) error {
	if len(f.held) == 0 {
		return nil
	}
	return &DamageError{File: path, Seq: end.seq + 1, Problem: fmt.Sprintf("its journal %s has entries up to number %d, and does not go on from the log's last, number %d: "+
		"bring back the newest of the full segments, or the log that the journal is of; or, if it is of another log, move the journal away", path+journalSuffix, f.end.seq, end.seq)}
}

// after returns the lines that go on from a place in the chain.
func (f *leftover) after(from link) (rest []carried) {
	for {
		follower, found := f.next[from.hash]
		if !found || follower.at.seq != from.seq+1 {
			return rest
		}
		rest = append(rest, follower)
		from = follower.at
	}
}

// newest reports whether nobody was told of anything after an entry: the journal has it,
// and would have what followed.
func (f *leftover) newest(at link) bool {
	_, followed := f.next[at.hash]
	return f.held[at.hash] && !followed
}

// unrecorded returns what is to be recorded if a log ends with an entry.
func (f *leftover) unrecorded(end link) string {
	if f.first != end {
		return ""
	}
	return f.note
}

// The first line of a journal names the entry that was the log's last when it was opened,
// and the second what was brought in order then, if there was something.
const (
	anchorFormat = "after %d %s\n"
	noteFormat   = "note %q\n"
	maxNote      = 4 << 10
)

// anchorOf reads the first line, if it was not written over.
func anchorOf(text []byte) (at link, named bool) {
	line, _, _ := bytes.Cut(text[:min(len(text), len(anchorFormat)+20+hashDigits)], []byte("\n"))
	n, err := fmt.Sscanf(string(line)+"\n", anchorFormat, &at.seq, &at.hash)
	return at, n == 2 && err == nil && isHash(at.hash)
}

// noteOf reads the second line, if there is one.
func noteOf(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	line, _, whole := bytes.Cut(rest[:min(len(rest), maxNote)], []byte("\n"))
	quoted, is := strings.CutPrefix(string(line), "note ")
	note, err := strconv.Unquote(quoted)
	if !whole || !is || err != nil {
		return ""
	}
	return note
}

// mend brings the end of the active segment in order, and returns what to record.
func (l *Log) mend(found ending) (notes []string, err error) {
	if found.crashed {
		defer func() {
			if err == nil {
				err = l.rewrite()
			}
		}()
	}
	if len(found.tail) > 0 {
		kept := ""
		if found.odd {
			if kept, err = l.keep(found.tail, found.last.seq+1); err != nil {
				return nil, err
			}
		}
		note, err := l.cut(found.tail, found.last.seq)
		if err != nil {
			return nil, err
		}
		notes = append(notes, note+kept)
	}
	if len(found.rest) == 0 {
		return notes, nil
	}
	var text []byte
	for _, entry := range found.rest {
		text = append(text, entry.line...)
	}
	first, last := found.rest[0].at.seq, found.end().seq
	l.options.Logger.Warn("Audit log ends before its journal, as after a crash of the machine: taking the rest from there",
		"path", l.path, "first_entry", first, "last_entry", last, "bytes", len(text))
	if _, err := l.active.file.WriteAt(text, l.active.size); err != nil {
		return nil, fmt.Errorf("completing the audit log from its journal: %w", err)
	}
	l.options.Hook(PointCompleted)
	if l.active.size == 0 {
		l.active.first = first
	}
	l.active.size += int64(len(text))
	return append(notes, fmt.Sprintf("took the entries from %d to %d from the journal, as after a crash of the machine", first, last)), nil
}

// keep writes what is to be cut off to a file of its own, for whoever wants to know how it
// came about, and returns what to record of that.
func (l *Log) keep(tail []byte, seq uint64) (string, error) {
	var (
		f    *os.File
		name string
		err  = fs.ErrExist
	)
	for n := 0; errors.Is(err, fs.ErrExist); n++ { // of a start that did not come to its record
		if name = fmt.Sprintf("%s%s%d", l.path, cutSuffix, seq); n > 0 {
			name = fmt.Sprintf("%s.%d", name, n)
		}
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("keeping what is cut off the audit log: %w", err)
	}
	_, err = f.Write(tail)
	if err = errors.Join(err, f.Sync(), f.Close(), syncFolder(l.folder)); err != nil {
		return "", fmt.Errorf("keeping what is cut off the audit log in %s: %w", name, err)
	}
	return "; they are in " + filepath.Base(name), nil
}

// rewrite writes the end of the segment over with what it has. When a flush has failed,
// the system may hold it for written though it is in memory alone, and would flush nothing
// the next time; the journal has it, and is about to be removed.
func (l *Log) rewrite() error {
	chunk := make([]byte, 256<<10)
	for at := max(0, l.active.size-maxJournal-maxBatchBytes-maxLine); at < l.active.size; {
		n, err := l.active.file.ReadAt(chunk[:min(int64(len(chunk)), l.active.size-at)], at)
		if n == 0 && err != nil {
			return fmt.Errorf("reading the end of the audit log: %w", err)
		}
		if _, err := l.active.file.WriteAt(chunk[:n], at); err != nil {
			return fmt.Errorf("writing the end of the audit log again: %w", err)
		}
		at += int64(n)
	}
	return nil
}
