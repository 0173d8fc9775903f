package audit

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestLogsBehindTheirJournal: what a crash has left in the journal alone is told by a check.
func TestLogsBehindTheirJournal(t *testing.T) {
	t.Parallel()
	path, text, _ := killed(t, 6)
	want := lines(text)
	if report := verify(t, path, VerifyOptions{}); report.Last != 6 {
		t.Errorf("%+v", report)
	}
	for n := range 6 {
		writeFile(t, path, []byte(strings.Join(want[:n], "")))
		_, err := Verify(t.Context(), path, VerifyOptions{patience: 1})
		var found *DamageError
		if !errors.As(err, &found) || found.Seq != uint64(n+1) || !strings.Contains(err.Error(), "alone") || !strings.Contains(err.Error(), "start the signer") {
			t.Errorf("%d lines: %v", n, err)
		}
	}
	closeLog(t, open(t, path, Options{}))
	verify(t, path, VerifyOptions{})
	if newest, err := Journaled(path); newest != 0 || err != nil {
		t.Errorf("a log that was closed: %d, %v", newest, err)
	}
}

// TestCheckedWhileItIsWritten: a log is not behind its journal while somebody writes both.
// How much is written is given, and not for how long: the checks read all of it each time,
// so that they could be slower than the writers and never come to an end.
func TestCheckedWhileItIsWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{MaxBytes: 60_000, journal: 9000})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for i := range 800 {
				if err := l.Append(t.Context(), decision(i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	written := make(chan struct{})
	go func() {
		group.Wait()
		close(written)
	}()
	for going := true; going; {
		select {
		case <-written:
			going = false // and once more
		default:
		}
		newest, err := Journaled(path)
		if err != nil {
			t.Error(err)
		}
		last, err := Last(t.Context(), path)
		if err = errors.Join(err, Behind(path, last, newest)); err != nil {
			t.Error(err)
		}
		if _, err := Verify(t.Context(), path, VerifyOptions{}); err != nil {
			t.Error(err)
		}
	}
	closeLog(t, l)
}
