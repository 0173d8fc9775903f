package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flaky is a disk of which one call fails, by its file, what it does, and how many such
// calls there were before; every other one succeeds.
type flaky struct {
	mu    sync.Mutex
	calls map[string]int
	fails string // "" is none: a call as "journal write 2"
	after time.Duration
}

func (d *flaky) open(name string, flag int, mode fs.FileMode) (file, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	of := "segment"
	if strings.HasSuffix(name, journalSuffix) {
		of = "journal"
	}
	return &flakyFile{File: f, disk: d, of: of}, nil
}

func (d *flaky) call(what string) error {
	d.mu.Lock()
	d.calls[what]++
	fails := fmt.Sprintf("%s %d", what, d.calls[what]) == d.fails
	d.mu.Unlock()
	if !fails {
		return nil
	}
	if d.after > 0 {
		<-time.After(d.after)
	}
	return errDisk
}

type flakyFile struct {
	*os.File
	disk *flaky
	of   string
}

func (f *flakyFile) WriteAt(b []byte, offset int64) (int, error) {
	if err := f.disk.call(f.of + " write"); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, offset)
}

func (f *flakyFile) Sync() error {
	if err := f.disk.call(f.of + " sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

// TestJournalFailsOnce: whatever of the journal can't be written or flushed once, nothing is
// acknowledged that rests on it, though all that follows would succeed. The journal is made
// by its first write and flush, and has room for one entry in each half.
func TestJournalFailsOnce(t *testing.T) {
	t.Parallel()
	for fails, told := range map[string]int{
		"journal write 2": 0,
		"journal sync 2":  0,
		"journal write 3": 1, // of the rest of a half
		"journal sync 3":  1, // of that
		"journal write 4": 1,
		"journal sync 4":  1,
		"journal write 5": 2, // of the rest of the other half
		"journal sync 5":  2,
	} {
		t.Run(fails, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			failsOnce(t, path, &flaky{calls: make(map[string]int), fails: fails}, oneEach, func() {}, told)
		})
	}
}

// TestSegmentFlushFailsOnce: a flush of the segment beside the journal that fails breaks the
// log as soon as that is known, at the next turn of the journal at the latest, though the
// next flush would succeed.
func TestSegmentFlushFailsOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after      time.Duration
		half, told int
	}{
		"at once":             {0, 2100, 3}, // there is room for two
		"until the next turn": {time.Hour, oneEach, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			synctest.Test(t, func(t *testing.T) {
				d := &flaky{calls: make(map[string]int), fails: "segment sync 2", after: tt.after} // the first is of the start
				failsOnce(t, path, d, tt.half, synctest.Wait, tt.told)
			})
		})
	}
}

// oneEach is half a journal that has room for one entry.
const oneEach = 1500

// failsOnce appends to a log on a disk that fails once, until it breaks, and opens it again.
func failsOnce(t *testing.T, path string, d *flaky, half int, pause func(), told int) {
	t.Helper()
	l, err := Open(t.Context(), path, Options{journal: int64(half), open: d.open})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < 10 {
		if err = l.Append(t.Context(), decision(n)); err != nil {
			break
		}
		n++
		pause()
	}
	if n != told || !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) {
		t.Errorf("%d entries were acknowledged, want %d: %v", n, told, err)
	}
	if err := l.Append(t.Context(), decision(n)); !errors.Is(err, ErrBroken) {
		t.Errorf("after it: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if l, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Append(t.Context(), decision(100)), l.Close()); err != nil {
		t.Error(err)
	}
	verify(t, path, VerifyOptions{})
	for i, entry := range events(t, path, 1)[:told] {
		if entry.Request != decision(i).Request {
			t.Errorf("entry %d is of %s", i+1, entry.Request)
		}
	}
}
