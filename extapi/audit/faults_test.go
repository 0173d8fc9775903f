package audit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

var errDisk = errors.New("input/output error")

// faulty is a file on a disk that fails when it is told to.
type faulty struct {
	*os.File
	disk *disk
}

// disk says what fails; a half-done write leaves what it did.
type disk struct{ create, write, sync, truncate, stat atomic.Bool }

func (d *disk) open(path string, flag int, mode fs.FileMode) (file, error) {
	if d.create.Load() {
		return nil, errDisk
	}
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	return &faulty{File: f, disk: d}, nil
}

func (f *faulty) WriteAt(b []byte, offset int64) (int, error) {
	if !f.disk.write.Load() {
		return f.File.WriteAt(b, offset)
	}
	n, err := f.File.WriteAt(b[:len(b)/2], offset)
	return n, errors.Join(errDisk, err)
}

func (f *faulty) Sync() error {
	if f.disk.sync.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f *faulty) Truncate(size int64) error {
	if f.disk.truncate.Load() {
		return errDisk
	}
	return f.File.Truncate(size)
}

func (f *faulty) Stat() (fs.FileInfo, error) {
	if f.disk.stat.Load() {
		return nil, errDisk
	}
	return f.File.Stat()
}

// A disk that fails: no entry is acknowledged that is not there, the log goes
// on where that is safe, and what is there can be opened again.
func TestFaultyDisk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail   func(*disk)
		rotate bool // the failing append is one that rotates
		broken bool // until it is opened again
		left   int  // entries that nobody was told of, at most
	}{
		"write":                  {fail: func(d *disk) { d.write.Store(true) }},
		"write and cut":          {fail: func(d *disk) { d.write.Store(true); d.truncate.Store(true) }, broken: true},
		"write, and its cut":     {fail: func(d *disk) { d.write.Store(true); d.sync.Store(true) }, broken: true}, // which is to be durable
		"sync":                   {fail: func(d *disk) { d.sync.Store(true) }, broken: true, left: 1},             // in the journal
		"sync and cut":           {fail: func(d *disk) { d.sync.Store(true); d.truncate.Store(true) }, broken: true, left: 1},
		"create":                 {fail: func(d *disk) { d.create.Store(true) }, rotate: true},
		"write after a rotation": {fail: func(d *disk) { d.write.Store(true) }, rotate: true},
		"stat after a rotation":  {fail: func(d *disk) { d.stat.Store(true) }, rotate: true, broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d disk
			size := int64(0)
			if c.rotate {
				size = 1500
			}
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, path, Options{open: d.open, MaxBytes: size})
			appendAll(t, l, decision(0))
			c.fail(&d)
			for range 2 {
				err := l.Append(t.Context(), decision(1))
				if !errors.Is(err, errDisk) || errors.Is(err, ErrBroken) != c.broken {
					t.Fatalf("%v", err)
				}
				if seq, _ := l.Head(); seq != 1 {
					t.Fatalf("head %d", seq)
				}
			}
			for _, fault := range []*atomic.Bool{&d.create, &d.write, &d.sync, &d.truncate, &d.stat} {
				fault.Store(false)
			}
			if err := l.Append(t.Context(), decision(2)); errors.Is(err, ErrBroken) != c.broken || (err == nil) == c.broken {
				t.Fatalf("with a disk in order: %v", err)
			}
			closeLog(t, l)
			l = open(t, path, Options{})
			appendAll(t, l, decision(3))
			closeLog(t, l)
			verify(t, path, VerifyOptions{})
			var requests []string
			unasked := 0
			for _, e := range events(t, path, 0) {
				switch e.Request {
				case "":
				case "req-1":
					unasked++
				default:
					requests = append(requests, e.Request)
				}
			}
			if want := 3 - map[bool]int{true: 1}[c.broken]; len(requests) != want || unasked > c.left {
				t.Errorf("%v, and %d that failed", requests, unasked)
			}
		})
	}
}

// Reading the log at the start may fail as well.
func TestOpenOnFaultyDisk(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	for name, fail := range map[string]func(*disk){
		"open": func(d *disk) { d.create.Store(true) },
		"stat": func(d *disk) { d.stat.Store(true) },
		"sync": func(d *disk) { d.sync.Store(true) },
	} {
		var d disk
		fail(&d)
		if _, err := Open(t.Context(), path, Options{open: d.open}); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	writeFile(t, path, text[:len(text)-5])
	var d disk
	d.truncate.Store(true)
	if _, err := Open(t.Context(), path, Options{open: d.open}); !errors.Is(err, errDisk) {
		t.Errorf("cut: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ended, path, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	closeLog(t, open(t, path, Options{}))
}

// A segment that can't be renamed is written on, and renamed when it can be.
func TestSegmentThatCannotBeRenamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	tries, fail := 0, true
	l := open(t, path, Options{MaxBytes: 4000, rename: func(from, to string) error {
		if tries++; fail {
			return errDisk
		}
		return os.Rename(from, to)
	}})
	for i := range 20 {
		appendAll(t, l, decision(i))
	}
	if n := len(files(t, path)); n != 1 || tries == 0 || tries > 17 {
		t.Errorf("%d segments after %d tries", n, tries)
	}
	fail = false
	appendAll(t, l, decision(20), decision(21))
	closeLog(t, l)
	if report := verify(t, path, VerifyOptions{}); report.Segments != 2 || report.Entries != 22 {
		t.Errorf("%+v", report)
	}
}
