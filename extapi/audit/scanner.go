package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Record is an entry with its hash and where it stands.
type Record struct {
	Entry  Entry
	Hash   string // 64 hexadecimal digits
	Raw    []byte // the line, without its newline; valid until the next one is read
	File   string
	Line   int   // in the file, from 1
	Offset int64 // of the line in the file, in bytes
}

// errUnfinished means that the last line has no newline: it is still being
// written, or a crash cut it short.
var errUnfinished = errors.New("the last line is unfinished")

// scanner reads the lines of one segment and checks that each continues the
// chain. It needs no more memory than one line does.
type scanner struct {
	file   string
	buffer *bufio.Reader
	line   int   // lines read
	offset int64 // of the next line
	last   link
	free   bool // the first line may follow anything: what was before it is not known
}

func newScanner(r io.Reader, file string, last link, free bool) *scanner {
	return &scanner{file: file, buffer: bufio.NewReaderSize(r, maxLine), last: last, free: free}
}

// next returns the next entry; io.EOF at the end, errUnfinished at the end of a
// last line without a newline, and a *DamageError for what breaks the chain.
func (s *scanner) next() (Record, error) {
	line, err := s.buffer.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return Record{}, s.damage("the line is longer than any entry")
	case errors.Is(err, io.EOF) && len(line) > 0:
		return Record{}, errUnfinished
	case errors.Is(err, io.EOF):
		return Record{}, io.EOF
	case err != nil:
		return Record{}, fmt.Errorf("reading %s at byte %d: %w", s.file, s.offset, err)
	}
	line = line[:len(line)-1]
	entry, hash, err := decodeLine(line)
	if err != nil {
		return Record{}, s.damage(err.Error())
	}
	if !s.free {
		switch {
		case entry.Seq != s.last.seq+1:
			return Record{}, s.damage(fmt.Sprintf("entry %d stands where %d should follow %d", entry.Seq, s.last.seq+1, s.last.seq))
		case entry.Prev != s.last.hash:
			return Record{}, s.damage(fmt.Sprintf("the entry follows %s, but the one before it is %s", entry.Prev, s.last.hash))
		}
	}
	s.free = false
	s.last = link{seq: entry.Seq, hash: hash}
	record := Record{Entry: entry, Hash: hash, Raw: line, File: s.file, Line: s.line + 1, Offset: s.offset}
	s.line++
	s.offset += int64(len(line)) + 1
	return record, nil
}

// reset goes on at the next line after more may have been written; r stands there.
func (s *scanner) reset(r io.Reader) { s.buffer.Reset(r) }

// damage is an error about the next line.
func (s *scanner) damage(problem string) error {
	return &DamageError{File: s.file, Line: s.line + 1, Offset: s.offset, Seq: s.last.seq + 1, Problem: problem}
}
