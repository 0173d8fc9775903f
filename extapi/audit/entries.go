package audit

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"time"
)

// followPause is how often Follow looks for more.
const followPause = 100 * time.Millisecond

// Entries returns the entries of the log at path from a number on, oldest
// first, across segments. Each line is checked, and that it continues the one
// before; reading ends with the first error. A log may be read while it is
// written: a last line that is still unfinished is left out.
func Entries(ctx context.Context, path string, from uint64) iter.Seq2[Record, error] {
	return read(ctx, path, from, false)
}

// Follow is Entries, and goes on with what is written meanwhile until ctx ends,
// which is its last error.
func Follow(ctx context.Context, path string, from uint64) iter.Seq2[Record, error] {
	return read(ctx, path, from, true)
}

func read(ctx context.Context, path string, from uint64, follow bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, err := newReader(path, from, 0, 0)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer r.close()
		for {
			record, err := r.next(ctx)
			switch {
			case err == nil:
				if record.Entry.Seq >= from && !yield(record, nil) {
					return
				}
			case errors.Is(err, io.EOF), errors.Is(err, errUnfinished):
				if !follow {
					return
				}
				if err = pause(ctx, followPause); err == nil && r.file != nil {
					err = r.again()
				}
				if err != nil {
					yield(Record{}, err)
					return
				}
			default:
				yield(Record{}, err)
				return
			}
		}
	}
}

// Last returns the number of the log's last entry, 0 if there is none. With an
// error it is the last one before what the error is about, 0 if that is not
// known. It reads the newest full segment and the active one.
func Last(ctx context.Context, path string) (uint64, error) {
	r, err := newReader(path, math.MaxInt64, 0, 0)
	if err != nil {
		return 0, err
	}
	defer r.close()
	last := uint64(0)
	for {
		record, err := r.next(ctx)
		switch {
		case err == nil:
			last = record.Entry.Seq
		case errors.Is(err, io.EOF), errors.Is(err, errUnfinished):
			return last, nil
		default:
			return last, err
		}
	}
}
