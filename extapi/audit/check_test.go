package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// tryOpen opens a log, or does not. A check before it finds the same, and changes nothing.
func tryOpen(t testing.TB, path string, options Options) (*Log, error) {
	t.Helper()
	before := filesOf(t, filepath.Dir(path))
	checked := Check(t.Context(), path, options.Known)
	if after := filesOf(t, filepath.Dir(path)); !bytes.Equal(before, after) {
		t.Error("the check changed something")
	}
	l, err := Open(t.Context(), path, options)
	if fmt.Sprint(checked) != fmt.Sprint(err) {
		t.Errorf("the check finds %v, and opening %v", checked, err)
	}
	return l, err
}

// filesOf is all that a folder has.
func filesOf(t testing.TB, folder string) []byte {
	t.Helper()
	var all bytes.Buffer
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Type().IsRegular() {
			fmt.Fprintf(&all, "%s\n%s\n", file.Name(), readFile(t, filepath.Join(folder, file.Name())))
		}
	}
	return all.Bytes()
}

// TestCheckWhileItIsWritten: a log that is written, and rotated, is in order all the while.
func TestCheckWhileItIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{MaxBytes: 4096, open: openQuick})
	defer closeLog(t, l)
	appendAll(t, l, decision(1))
	seq, hash := l.Head()
	known := Head{Seq: seq, Hash: hash}
	// While it is looked at once, it is rotated a few times: fewer than it is looked at anew.
	const looks, at = 100, 12
	more, written := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for range more {
			for i := range at {
				err = errors.Join(err, l.Append(t.Context(), decision(i)))
			}
		}
		written <- err
	}()
	for range looks {
		more <- struct{}{}
		if err := Check(t.Context(), path, known); err != nil {
			t.Error(err)
		}
	}
	close(more)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if firsts, err := segments(path); err != nil || len(firsts) < 10 {
		t.Errorf("%d segments, %v", len(firsts), err)
	}
}
