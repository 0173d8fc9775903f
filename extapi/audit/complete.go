package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
)

// Complete is [Entries] of a log that nobody writes any more, with what a crash left in its
// journal alone, as [Mend] would put it into the log. It changes nothing: the log may lie
// where it can only be read.
func Complete(ctx context.Context, path string, from uint64) iter.Seq2[Record, error] {
	if !Crashed(path) {
		return Entries(ctx, path, from)
	}
	return func(yield func(Record, error) bool) {
		found, err := examine(ctx, path, Head{})
		if err != nil {
			yield(Record{}, err)
			return
		}
		// Behind the last that is in place may be what is to be cut off.
		if last := found.last.seq; last > 0 {
			for record, err := range Entries(ctx, path, min(from, last)) {
				if err == nil && record.Entry.Seq < from {
					break
				}
				if !yield(record, err) || err != nil {
					return
				}
				if record.Entry.Seq >= last {
					break
				}
			}
		}
		for _, carried := range found.rest {
			line := bytes.TrimSuffix(carried.line, []byte("\n"))
			entry, hash, err := decodeLine(line)
			if entry.Seq < from && err == nil {
				continue
			}
			if !yield(Record{Entry: entry, Hash: hash, Raw: line, File: path + journalSuffix}, err) || err != nil {
				return
			}
		}
	}
}

// GoesOn tells whether the log at path has an entry after a number, whatever else is wrong
// with it.
func GoesOn(ctx context.Context, path string, seq uint64) (bool, error) {
	firsts, err := segments(path)
	if err != nil {
		return false, err
	}
	if len(after(firsts, seq)) > 0 {
		return true, nil
	}
	names := []string{path}
	if n := len(firsts); n > 0 {
		names = append(names, segmentName(path, firsts[n-1]))
	}
	for _, name := range names {
		if found, err := hasAfter(ctx, name, seq); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// hasAfter looks for a line that is sound by itself.
func hasAfter(ctx context.Context, name string, seq uint64) (bool, error) {
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("opening a segment of the audit log: %w", err)
	}
	defer func() { _ = f.Close() }() // it is only read
	for buffer := bufio.NewReaderSize(f, maxLine); ; {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("reading the audit log: %w", err)
		}
		line, err := buffer.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull): // no entry is so long
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("reading %s: %w", name, err)
		default:
			if entry, _, err := decodeLine(bytes.TrimSuffix(line, []byte("\n"))); err == nil && entry.Seq > seq {
				return true, nil
			}
		}
	}
}

// Strayed refuses a log that was moved from one path to another after a crash, without its
// journal, which has entries that the log lacks. It is called before [Open], which would go
// on without them.
func Strayed(ctx context.Context, from, to string) error {
	if !Crashed(from) {
		return nil
	}
	if _, err := os.Lstat(from); err == nil {
		if _, err := examine(ctx, from, Head{}); err == nil {
			return nil // it has a log where it is
		}
	}
	journal, err := readJournal(from)
	if err != nil {
		return err
	}
	r, err := newReader(to, math.MaxInt64, 0, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.close()
	same := false
	for {
		record, err := r.next(ctx)
		if ctxErr := ctx.Err(); ctxErr != nil {
			return fmt.Errorf("reading the audit log: %w", ctxErr)
		}
		if err != nil { // the end, or what a crash left there
			break
		}
		_, followed := journal.next[record.Hash]
		same = same || followed || journal.held[record.Hash]
		if record.Hash == journal.end.hash {
			return nil
		}
	}
	if !same {
		return nil
	}
	return fmt.Errorf("the journal %[1]s%[3]s has entries up to number %[4]d, which the audit log lacks that lies at %[2]s now: the log was moved without its journal. "+
		"Move that along: mv %[1]s%[3]s %[2]s%[3]s", from, to, journalSuffix, journal.end.seq)
}
