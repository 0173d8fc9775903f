package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// crashedWith is a log of n decisions as a crash of the process leaves it: with its journal.
// It returns the path and what the active segment has.
func crashedWith(t testing.TB, n int, options Options) (path string, active []byte) {
	t.Helper()
	from := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, from, options)
	for i := range n {
		appendAll(t, l, decision(i))
	}
	path = copyOf(t, from)
	return path, readFile(t, path)
}

// copyOf copies a log with all that is beside it.
func copyOf(t testing.TB, path string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, filepath.Base(path))
}

func isThere(t testing.TB, name string) bool {
	t.Helper()
	_, err := os.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// A log that is closed has no journal, and one that is broken has it still.
func TestJournalEndsWithTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 {
		l := open(t, path, Options{})
		appendAll(t, l, decision(1))
		info, err := os.Lstat(path + journalSuffix)
		if err != nil || info.Size() != maxJournal || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		closeLog(t, l)
		if isThere(t, path+journalSuffix) {
			t.Error("there is a journal after the end")
		}
	}
	var d disk
	l := open(t, path, Options{open: d.open})
	d.sync.Store(true)
	if err := l.Append(t.Context(), decision(1)); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
	if err := l.Close(); err != nil || !isThere(t, path+journalSuffix) {
		t.Errorf("%v; journal: %t", err, isThere(t, path+journalSuffix))
	}
}

// Whatever a crash leaves of the segment, the journal completes it, and that is on record.
func TestJournalCompletesTheLog(t *testing.T) {
	t.Parallel()
	const n = 6
	path, text := crashedWith(t, n, Options{journal: 20_000})
	for name, spoil := range map[string]func(at int) []byte{
		"cut":   func(at int) []byte { return text[:at] },
		"zeros": func(at int) []byte { return append(bytes.Clone(text[:at]), make([]byte, len(text)-at)...) },
		"zeros, text": func(at int) []byte {
			return append(append(bytes.Clone(text[:at]), 0, 0), text[min(at+2, len(text)):]...)
		},
		"other text":   func(at int) []byte { return append(bytes.Clone(text[:at]), "\n{\"seq\":7}\n\nhello"...) },
		"longer zeros": func(at int) []byte { return append(bytes.Clone(text[:at]), make([]byte, 3*len(text))...) },
		"changed bytes": func(at int) []byte {
			return append(append(bytes.Clone(text[:at]), '~'), text[min(at+1, len(text)):]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 0; at <= len(text); at += 97 {
				path := copyOf(t, path)
				writeFile(t, path, spoil(at))
				if _, err := Verify(t.Context(), path, VerifyOptions{patience: 1}); err != nil && !strings.Contains(err.Error(), "its journal lies beside it") {
					t.Fatalf("byte %d: %v", at, err)
				}
				before := filesOf(t, filepath.Dir(path))
				if err := Check(t.Context(), path, Head{}); err != nil || !bytes.Equal(before, filesOf(t, filepath.Dir(path))) {
					t.Fatalf("byte %d: check: %v", at, err)
				}
				closeLog(t, open(t, path, Options{journal: 20_000, open: openQuick}))
				got := events(t, path, 1)
				if len(got) != n+1 || got[n].Event != EventRecovered || got[n-1].Request != "req-5" {
					t.Fatalf("byte %d: %d entries, the last is %+v", at, len(got), got[len(got)-1])
				}
				if complete := bytes.HasPrefix(readFile(t, path), text); !complete {
					t.Fatalf("byte %d: other entries than there were", at)
				}
				verify(t, path, VerifyOptions{})
			}
		})
	}
}

// What was changed before all that the journal has is refused, as without one, and so is
// a change where the journal does not go on.
func TestJournalHidesNoChange(t *testing.T) {
	t.Parallel()
	path, text := crashedWith(t, 40, Options{journal: 5000})
	journal := readFile(t, path+journalSuffix)
	oldest := 0
	for i, line := range lines(text) {
		if bytes.Contains(journal, []byte(line)) {
			oldest = i
			break
		}
	}
	if oldest < 20 {
		t.Fatalf("the journal goes back to entry %d: this shows nothing", oldest+1)
	}
	offset := 0
	for i, line := range lines(text)[:oldest] {
		at := copyOf(t, path)
		changed := bytes.Clone(text)
		changed[offset+100] ^= 1
		offset += len(line)
		writeFile(t, at, changed)
		var found *DamageError
		if _, err := tryOpen(t, at, Options{open: openQuick}); !errors.As(err, &found) || found.Line != i+1 {
			t.Errorf("entry %d was changed: %v", i+1, err)
		}
		if !bytes.Equal(readFile(t, at), changed) {
			t.Errorf("entry %d was changed: the file was written", i+1)
		}
	}
}

// The journal of another log is refused, and what is none completes nothing.
func TestJournalOfAnotherLog(t *testing.T) {
	t.Parallel()
	path := write(t, 3, Options{})
	text := readFile(t, path)
	for _, n := range []int{2, 3, 5} {
		other, _ := crashedWith(t, n, Options{})
		writeFile(t, path+journalSuffix, readFile(t, other+journalSuffix))
		before := filesOf(t, filepath.Dir(path))
		var damage *DamageError
		if _, err := tryOpen(t, path, Options{}); !errors.As(err, &damage) || !strings.Contains(err.Error(), "move the journal away") {
			t.Errorf("of %d entries: %v", n, err)
		}
		if !bytes.Equal(before, filesOf(t, filepath.Dir(path))) {
			t.Error("something was changed")
		}
	}
	for _, junk := range []string{"", "\n\n\n", "after 3\n", "after x " + zeroHash + "\n", strings.Repeat("{\"seq\":4", 1000), "after 3 " + zeroHash} {
		writeFile(t, path+journalSuffix, []byte(junk))
		closeLog(t, open(t, path, Options{open: openQuick}))
		if !bytes.Equal(readFile(t, path), text) {
			t.Errorf("%q: the log was changed", junk)
		}
	}
	if err := os.Mkdir(path+journalSuffix, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, path, Options{}); err == nil || !strings.Contains(err.Error(), "name an ordinary file") {
		t.Errorf("a directory: %v", err)
	}
}

// A segment that is missing altogether comes back as far as the journal has it.
func TestJournalWithoutASegment(t *testing.T) {
	t.Parallel()
	path, text := crashedWith(t, 3, Options{})
	remove(t, path)
	if err := Check(t.Context(), path, Head{}); err != nil {
		t.Error(err)
	}
	closeLog(t, open(t, path, Options{}))
	got := events(t, path, 1)
	if len(got) != 4 || got[3].Event != EventRecovered || !bytes.HasPrefix(readFile(t, path), text) {
		t.Errorf("%+v", got)
	}
}

// What a journal has, and its log not, is missing: nothing is made anew in its place.
func TestJournalWithoutItsLog(t *testing.T) {
	t.Parallel()
	path, text := crashedWith(t, 40, Options{journal: 5000})
	begin := len(strings.Join(lines(text)[:10], ""))
	for name, spoil := range map[string]func(path string){
		"moved away":     func(path string) { remove(t, path) },
		"emptied":        func(path string) { writeFile(t, path, nil) },
		"an older copy":  func(path string) { writeFile(t, path, text[:begin]) },
		"a torn old one": func(path string) { writeFile(t, path, text[:begin+50]) },
	} {
		at := copyOf(t, path)
		spoil(at)
		for what, try := range map[string]func() error{
			"open":  func() error { _, err := tryOpen(t, at, Options{}); return err },
			"mend":  func() error { return Mend(t.Context(), at, Options{}) },
			"check": func() error { return Check(t.Context(), at, Head{}) },
		} {
			var damage *DamageError
			if err := try(); !errors.As(err, &damage) || !isThere(t, at+journalSuffix) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if name != "moved away" && !bytes.Equal(readFile(t, at), text[:len(readFile(t, at))]) {
			t.Errorf("%s: the log was changed", name)
		}
	}
}

// A byte that was changed behind what a journal has is refused, also where what is left of
// the turn before stands in a half, or the journal is older than the log.
func TestJournalThatEndsBefore(t *testing.T) {
	t.Parallel()
	const half = 20_000
	from := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, from, Options{journal: half, open: openQuick})
	for l.journal.start == 0 {
		appendAll(t, l, decision(1))
	}
	for l.journal.start > 0 {
		appendAll(t, l, decision(2))
	}
	stale := readFile(t, from+journalSuffix)
	for l.journal.used < half/2 {
		appendAll(t, l, decision(3))
	}
	long := decision(4)
	long.Explain = strings.Repeat("\x01", boundWhy/2)
	appendAll(t, l, long)
	path := copyOf(t, from)
	text := readFile(t, path)
	for what, journal := range map[string][]byte{"its own": readFile(t, path+journalSuffix), "an older one": stale} {
		offset := 0
		for i, line := range lines(text) {
			changed := bytes.Clone(text)
			changed[offset+100] ^= 1
			offset += len(line)
			at := copyOf(t, path)
			writeFile(t, at, changed)
			writeFile(t, at+journalSuffix, journal)
			if err := Mend(t.Context(), at, Options{open: openQuick}); err != nil || bytes.HasPrefix(readFile(t, at), text) {
				continue
			}
			// No more than one write is without its copy in the journal, and that is kept.
			kept := readFile(t, fmt.Sprintf("%s%s%d", at, cutSuffix, i+1))
			if what == "its own" || !bytes.Equal(kept, changed[offset-len(line):]) {
				t.Errorf("entry %d of %d was changed, with %s: what follows is gone", i+1, len(lines(text)), what)
			}
		}
	}
}

// cached is a disk of which a flush that fails makes the system forget what it has not
// written.
type cached struct {
	mu    sync.Mutex
	files map[string]*cachedFile
	fail  func(name string) bool
}

type cachedFile struct {
	*os.File
	disk    *cached
	durable []byte
	dirty   map[int64]bool // pages of 4 KiB
}

func (d *cached) open(name string, flag int, mode fs.FileMode) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	opened := &cachedFile{File: f, disk: d, dirty: make(map[int64]bool)}
	if before := d.files[name]; before != nil && flag&os.O_EXCL == 0 {
		opened.durable = before.durable
	} else if opened.durable, err = os.ReadFile(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.files[name] = opened
	return opened, nil
}

func (f *cachedFile) WriteAt(b []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for page := offset / 4096; page*4096 < offset+int64(len(b)); page++ {
		f.dirty[page] = true
	}
	return f.File.WriteAt(b, offset)
}

func (f *cachedFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	defer clear(f.dirty)
	if f.disk.fail(f.Name()) {
		return errDisk
	}
	now, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	next := make([]byte, len(now))
	copy(next, f.durable)
	for page := range f.dirty {
		if at := int(page * 4096); at < len(now) {
			copy(next[at:], now[at:min(at+4096, len(now))])
		}
	}
	f.durable = next
	return nil
}

// left is what a power cut leaves.
func (d *cached) left(t *testing.T) (path string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	to := t.TempDir()
	for name, f := range d.files {
		if isThere(t, name) {
			writeFile(t, filepath.Join(to, filepath.Base(name)), f.durable)
		}
	}
	return filepath.Join(to, "audit.log")
}

// What a flush that failed has left in memory alone is written again by the next start,
// before the journal goes.
func TestFlushThatFailed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"beside the journal", "of a start"} {
		path := filepath.Join(t.TempDir(), "audit.log")
		flushes, fails := 0, 0
		d := &cached{files: make(map[string]*cachedFile)}
		d.fail = func(name string) bool {
			if name != path {
				return false
			}
			flushes++
			return flushes == fails
		}
		l := open(t, path, Options{journal: 8000, open: d.open})
		fails = flushes + 1
		if name == "of a start" {
			fails = 0
		}
		told := uint64(0)
		for i := range 30 {
			seq, err := l.append(t.Context(), decision(i))
			if err != nil {
				break
			}
			told = seq
		}
		if name == "of a start" { // the process is killed, and the first start fails
			l.journal.file, l.broken = nil, errDisk
			l.Close()
			d.mu.Lock()
			fails = flushes + 1
			d.mu.Unlock()
			if _, err := Open(t.Context(), path, Options{journal: 8000, open: d.open}); !errors.Is(err, errDisk) {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			l.Close()
		}
		l = open(t, path, Options{journal: 8000, open: d.open})
		seq, err := l.append(t.Context(), decision(100))
		if err != nil || seq <= told {
			t.Errorf("%s: entry %d after %d, %v", name, seq, told, err)
		}
		after := d.left(t)
		if err := Mend(t.Context(), after, Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := uint64(len(events(t, after, 1))); n < seq {
			t.Errorf("%s: %d entries of %d", name, n, seq)
		}
		verify(t, after, VerifyOptions{})
		closeLog(t, l)
	}
}

// Nothing is acknowledged that lies in a journal that somebody took away.
func TestJournalTakenAway(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(name string) error{
		"removed": os.Remove,
		"emptied": func(name string) error { return os.Truncate(name, 0) },
		"replaced": func(name string) error {
			return errors.Join(os.WriteFile(name+".new", make([]byte, maxJournal), 0o600), os.Rename(name+".new", name))
		},
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		l := open(t, path, Options{})
		appendAll(t, l, decision(1))
		if err := take(path + journalSuffix); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(t.Context(), decision(2)); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
		l.Close()
		closeLog(t, open(t, path, Options{}))
		if n := len(events(t, path, 1)); n != 1 {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}

// flushing is a segment whose flushes fail, beside a journal whose don't.
type flushing struct{ *os.File }

func (flushing) Sync() error { return errDisk }

// When the segment can't be flushed, no more is acknowledged than the journal has room for.
func TestSegmentThatCannotBeFlushed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{journal: 5000})
	f, ok := l.active.file.(*os.File)
	if !ok {
		t.Fatalf("%T", l.active.file)
	}
	l.active.file = flushing{f}
	told := 0
	for err := error(nil); err == nil && told < 100; {
		if err = l.Append(t.Context(), decision(told)); err == nil {
			told++
		} else if !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	}
	if told < 5 || told > 10 {
		t.Errorf("%d entries were acknowledged", told)
	}
	l.Close()
	text := readFile(t, path)
	if len(text) == 0 {
		t.Error("nothing was written")
	}
	writeFile(t, path, nil) // as if none had reached the disk
	closeLog(t, open(t, path, Options{}))
	if n := len(events(t, path, 1)); n < told+1 {
		t.Errorf("%d of %d entries", n, told)
	}
	verify(t, path, VerifyOptions{})
}

// A log that is written no more is completed once.
func TestMend(t *testing.T) {
	t.Parallel()
	path, text := crashedWith(t, 3, Options{})
	writeFile(t, path, text[:len(text)-10])
	for range 2 {
		if err := Mend(t.Context(), path, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := events(t, path, 1); len(got) != 4 || isThere(t, path+journalSuffix) {
		t.Errorf("%+v", got)
	}
	l := open(t, path, Options{})
	if err := Mend(t.Context(), path, Options{}); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	closeLog(t, l)
	if err := Mend(t.Context(), filepath.Join(t.TempDir(), "none", "audit.log"), Options{}); err != nil {
		t.Error(err)
	}
}

// FuzzJournal: whatever is in a journal, the log that it lies beside keeps its entries, and
// is a log.
func FuzzJournal(f *testing.F) {
	path, text := crashedWith(f, 3, Options{journal: 2000})
	f.Add(readFile(f, path+journalSuffix), len(text)/2)
	f.Add([]byte(fmt.Sprintf(anchorFormat, 0, zeroHash)), 0)
	f.Add([]byte(fmt.Sprintf(anchorFormat, 0, zeroHash)+string(text)), 10)
	f.Fuzz(func(t *testing.T, journal []byte, keep int) {
		path := filepath.Join(t.TempDir(), "audit.log")
		kept := text[:min(max(keep, 0), len(text))]
		writeFile(t, path, kept)
		writeFile(t, path+journalSuffix, journal)
		l, err := tryOpen(t, path, Options{journal: 2000, open: openQuick})
		if err != nil {
			if !bytes.Equal(readFile(t, path), kept) {
				t.Fatal("a log that is refused was changed")
			}
			return
		}
		closeLog(t, l)
		verify(t, path, VerifyOptions{})
		if whole := bytes.LastIndexByte(kept, '\n') + 1; !bytes.HasPrefix(readFile(t, path), kept[:whole]) {
			t.Fatal("whole lines are gone")
		}
	})
}
