package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
)

func TestEntriesFrom(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	for from := range uint64(8) {
		got := events(t, path, from)
		if want := 5 - max(from, 1) + 1; from <= 5 && uint64(len(got)) != want || from > 5 && len(got) > 0 {
			t.Errorf("from %d: %d entries", from, len(got))
		}
		for i, e := range got {
			if e.Seq != max(from, 1)+uint64(i) || e.Request != fmt.Sprintf("req-%d", e.Seq-1) {
				t.Errorf("from %d: %+v", from, e)
			}
		}
	}
	if last, err := Last(t.Context(), path); err != nil || last != 5 {
		t.Errorf("last %d, %v", last, err)
	}
	// Where they stand, and the bytes that stand there.
	for record, err := range Entries(t.Context(), path, 0) {
		if err != nil {
			t.Fatal(err)
		}
		text := readFile(t, record.File)
		if got := string(text[record.Offset : record.Offset+int64(len(record.Raw))]); got != string(record.Raw) || lines(text)[record.Line-1] != got+"\n" {
			t.Errorf("%s, line %d, byte %d: %q", record.File, record.Line, record.Offset, got)
		}
	}
}

func TestEntriesStopAtDamage(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	put(t, files(t, path)[1], 100, 'X')
	n := 0
	for record, err := range Entries(t.Context(), path, 0) {
		if n++; n < 3 && err != nil || n == 3 && err == nil || n > 3 {
			t.Errorf("%d: %v, %v", n, record.Entry.Seq, err)
		}
	}
	if n != 3 {
		t.Errorf("%d", n)
	}
	for _, err := range Entries(t.Context(), filepath.Join(t.TempDir(), "none"), 0) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
}

// A line that is being written is not there yet; it is no damage.
func TestUnfinishedLineIsLeftOut(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	for n := len(text) - 1; n > 0; n -= 5 {
		truncateTo(t, path, text[:n])
		whole := len(lines(append(text[:n:n], '\n'))) - 1
		if text[n-1] == '\n' {
			whole = len(lines(text[:n]))
		}
		if got := events(t, path, 2); len(got) != whole {
			t.Errorf("%d bytes: %d entries, want %d", n, len(got), whole)
		}
	}
}

// Readers of a log that is written and rotated see every entry once, in order,
// and no damage.
func TestReadWhileWriting(t *testing.T) {
	t.Parallel()
	const total = 400
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{MaxBytes: 6000})
	appendAll(t, l, decision(0))
	var group sync.WaitGroup
	written := make(chan struct{})
	group.Go(func() {
		defer close(written)
		for i := 1; i < total; i++ {
			appendAll(t, l, decision(i))
		}
	})
	for _, from := range []uint64{0, 100} {
		group.Go(func() {
			next := max(from, 1)
			for record, err := range Follow(t.Context(), path, from) {
				if err != nil || record.Entry.Seq != next {
					t.Errorf("entry %d, want %d: %v", record.Entry.Seq, next, err)
					return
				}
				if next++; next > total {
					return
				}
			}
		})
	}
	group.Go(func() {
		for n := 0; ; n++ {
			if report, err := Verify(t.Context(), path, VerifyOptions{}); err != nil {
				t.Errorf("%v, after %+v", err, report)
				return
			}
			select {
			case <-written:
				return
			default:
			}
		}
	})
	group.Wait()
	closeLog(t, l)
	if n := len(files(t, path)); n < 50 {
		t.Errorf("%d segments", n)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	var last error
	for _, err := range Follow(ctx, path, 0) {
		if n++; n == 5 {
			cancel()
		}
		last = err
	}
	if n != 6 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d: %v", n, last)
	}
	cancel()
}
