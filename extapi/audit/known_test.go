package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKnownHead: a log that is not the one that somebody remembers is refused,
// and is left as it is.
func TestKnownHead(t *testing.T) {
	path := write(t, 6, Options{})
	text := readFile(t, path)
	all := lines(text)
	head := func(n int) Head {
		_, hash, err := decodeLine([]byte(strings.TrimSuffix(all[n-1], "\n")))
		if err != nil {
			t.Fatal(err)
		}
		return Head{Seq: uint64(n), Hash: hash}
	}
	other := write(t, 6, Options{Now: steady})
	for _, tt := range []struct {
		name  string
		text  []byte // nil: no file
		known Head
		want  string // "": it opens
	}{
		{"the last entry", text, head(6), ""},
		{"one before it, as after a crash", text, head(3), ""},
		{"nothing is known", nil, Head{}, ""},
		{"removed", nil, head(6), "the last entry is 0"},
		{"emptied", []byte{}, head(6), "the last entry is 0"},
		{"cut", []byte(strings.Join(all[:4], "")), head(6), "the last entry is 4"},
		{"cut within a line", text[:len(text)-5], head(6), "the last entry is 5"},
		{"another", readFile(t, other), head(6), "this is another log"},
		{"another hash", text, Head{Seq: 3, Hash: zeroHash}, "this is another log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			if tt.text != nil {
				writeFile(t, path, tt.text)
			}
			l, err := tryOpen(t, path, Options{Known: tt.known})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				closeLog(t, l)
				return
			}
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Seq != tt.known.Seq || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.known.Hash) {
				t.Fatalf("got %v", err)
			}
			if tt.text == nil {
				if _, err := os.Stat(path); err == nil {
					t.Error("a new log was begun")
				}
			} else if !bytes.Equal(readFile(t, path), tt.text) {
				t.Error("the log was changed")
			}
		})
	}
}

// TestKnownHeadInSegments: what was put aside counts, and may be moved away.
func TestKnownHeadInSegments(t *testing.T) {
	path := write(t, 40, Options{MaxBytes: 4096})
	_, hash, err := decodeLine([]byte(strings.TrimSuffix(lines(readFile(t, segmentName(path, 1)))[1], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	reopen := func(known Head) error {
		l, err := tryOpen(t, path, Options{MaxBytes: 4096, Known: known})
		if err == nil {
			closeLog(t, l)
		}
		return err
	}
	if err := reopen(Head{Seq: 2, Hash: hash}); err != nil {
		t.Errorf("in a full segment: %v", err)
	}
	if err := reopen(Head{Seq: 2, Hash: zeroHash}); err == nil {
		t.Error("another log opens")
	}
	if err := os.Remove(segmentName(path, 1)); err != nil {
		t.Fatal(err)
	}
	if err := reopen(Head{Seq: 2, Hash: hash}); err != nil {
		t.Errorf("in a segment that was moved away: %v", err)
	}
	if err := reopen(Head{Seq: 1 << 20, Hash: hash}); err == nil {
		t.Error("a log that was cut opens")
	}
}

// TestKnownHeadInMissingSegments: only the oldest segments may be moved away,
// and nothing is begun in place of one that is missing.
func TestKnownHeadInMissingSegments(t *testing.T) {
	t.Parallel()
	path := write(t, 40, Options{MaxBytes: 4096})
	firsts, err := segments(path)
	if err != nil || len(firsts) < 4 {
		t.Fatalf("%v, %v", firsts, err)
	}
	second := segmentName(path, firsts[1])
	known := func(name string) Head {
		link, err := lastLink(name)
		if err != nil {
			t.Fatal(err)
		}
		return Head{Seq: link.seq, Hash: link.hash}
	}
	inSecond, last := known(second), known(path)
	refused := func(known Head, want string) {
		t.Helper()
		if _, err := tryOpen(t, path, Options{MaxBytes: 4096, Known: known}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := os.Rename(second, second+".moved"); err != nil {
		t.Fatal(err)
	}
	refused(inSecond, "missing between others: bring it back")
	first := segmentName(path, 1)
	text := readFile(t, first)
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	_, hash, err := decodeLine(text[:len(text)-len(rest)-1])
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, first, rest)
	refused(Head{Seq: 1, Hash: hash}, "missing between others: bring it back")
	writeFile(t, first, text)
	if err := errors.Join(os.Rename(second+".moved", second), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	refused(last, "the last entry is")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a segment was begun: %v", err)
	}
}

// A checkpoint of long ago, whose entry was moved away with the oldest segments, stops neither
// a start nor a check, and hides no other.
func TestCheckpointOfWhatWasMovedAway(t *testing.T) {
	t.Parallel()
	path, _ := checkpointed(t, 3)
	l := open(t, path, Options{MaxBytes: 4000})
	for i := range 40 {
		appendAll(t, l, decision(i))
	}
	closeLog(t, l)
	firsts, err := segments(path)
	if err != nil || len(firsts) < 4 || firsts[1] < 4 {
		t.Fatal(firsts, err)
	}
	verify(t, path, VerifyOptions{})
	first := segmentName(path, firsts[0])
	if err := os.Rename(first, first+"-away"); err != nil {
		t.Fatal(err)
	}
	report := verify(t, path, VerifyOptions{Start: firsts[1]})
	if report.Before == nil || report.Before.Seq != 3 || report.Checkpoint != nil {
		t.Errorf("%+v", report)
	}
	given := Checkpoint{Seq: report.Last, Head: report.Head}
	if report := verify(t, path, VerifyOptions{Start: firsts[1], Checkpoints: []Checkpoint{given}}); report.Checkpoint == nil || report.Checkpoint.Seq != given.Seq {
		t.Errorf("%+v", report)
	}
	given.Head = zeroHash
	if _, err := Verify(t.Context(), path, VerifyOptions{Start: firsts[1], Checkpoints: []Checkpoint{given}}); err == nil || !strings.Contains(err.Error(), "the log was rewritten") {
		t.Errorf("another was given: %v", err)
	}
	closeLog(t, open(t, path, Options{MaxBytes: 4000}))
}
