package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What a crash can leave behind the last whole line.
//
// The writer has one write under way, and answers for none of its entries before the
// flush after it, which is of the journal. So of the segment a power cut can spoil all
// that was written since it was flushed itself, and all of that is in the journal, but for
// a last write that nobody was told of. Where the journal goes on from the last whole
// line, or has nothing that does though it has an entry of the log, nobody was told of what
// is behind the journal's last, which is one write at most: it is cut off, whatever it is, and the
// journal's entries take their place. A journal of which nothing is in the log, nor goes on
// from it, is refused: something is missing.
//
// Without a journal the segment is flushed after each write, and a crash can spoil no
// more than the last one: its end may be missing, and where the file system had made
// the file longer before the data was there, zeros stand in its place. Such an end is a
// beginning of the next entry's line, then perhaps zeros up to the end of the file. It is
// cut off: it holds no entry that was acknowledged. Whole lines before it stay,
// though nobody was told of them. The length and the hash of what is cut off are recorded.
//
// Everything else is refused. A line that ends properly and has a wrong hash
// was changed. Zeros with more text behind them may be a write that reached the
// disk out of order, or entries that a disk lost after it had acknowledged
// them: that is for a person to judge.

// tail returns what a crash left behind the last entry, or else the error that
// reading ended with. Where nobody was told of it, whatever it is may be cut off.
func (l *Log) tail(s *scanner, cause error, size int64, untold bool) (tail []byte, odd bool, err error) {
	var damage *DamageError
	if !errors.Is(cause, errUnfinished) && !errors.As(cause, &damage) {
		return nil, false, cause
	}
	length := size - s.offset
	if errors.Is(cause, errUnfinished) {
		cause = s.damage("the last line is unfinished, and is not what a crash leaves")
	}
	most := int64(maxBatchBytes + maxLine)
	if untold {
		most += maxJournal
	}
	if length > most {
		return nil, false, hint(s, cause, nil)
	}
	tail, err = io.ReadAll(io.NewSectionReader(l.active.file, s.offset, length))
	if err != nil {
		return nil, false, fmt.Errorf("reading %s at byte %d: %w", s.file, s.offset, err)
	}
	odd = !torn(tail, s)
	if odd && !untold {
		return nil, false, hint(s, cause, tail)
	}
	return tail, odd, nil
}

// cut removes the tail that a crash left, and returns what to record.
func (l *Log) cut(tail []byte, last uint64) (string, error) {
	sum := sha256.Sum256(tail)
	note := fmt.Sprintf("cut off %d bytes of an unfinished line after entry %d, as after a crash; their SHA-256 is %x", len(tail), last, sum)
	l.options.Logger.Warn("Audit log ends with an unfinished line: cutting it off", "path", l.path, "offset", l.active.size,
		"bytes", len(tail), "sha256", fmt.Sprintf("%x", sum), "last_entry", last)
	if err := errors.Join(l.active.file.Truncate(l.active.size), l.active.file.Sync()); err != nil {
		return "", fmt.Errorf("cutting an unfinished line off the audit log: %w", err)
	}
	l.options.Hook(PointCut)
	return note, nil
}

// torn reports whether a tail is what a crash leaves.
func torn(tail []byte, s *scanner) bool {
	text := bytes.TrimRight(tail, "\x00")
	if len(text) >= maxLine || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return false
	}
	// Behind nothing, only the first entry of all can follow.
	start := fmt.Sprintf(`%s%d,"prev":%q,"time":"`, lineStart, s.last.seq+1, s.last.hash)
	n := min(len(text), len(start))
	return string(text[:n]) == start[:n]
}

// hint adds what can be done to an error about a tail.
func hint(s *scanner, cause error, tail []byte) error {
	var damage *DamageError
	if !errors.As(cause, &damage) {
		return cause
	}
	switch {
	case bytes.IndexByte(tail, 0) >= 0:
		damage.Problem += fmt.Sprintf("; zeros stand there, as where a disk lost what was written. Keep a copy, and compare it with "+
			"checkpoints and the ordinary log, before you cut the file to %d bytes by hand", s.offset)
	case s.line == 0 && strings.Contains(damage.Problem, "no entry of a kvclef audit log"):
		damage.Problem += "; a log of Clef or of something else can't be continued: name another file"
	}
	return cause
}
