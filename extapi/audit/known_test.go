package audit

import (
	"bytes"
	"errors"
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
		{"another", readFile(t, other), head(6), "this is another log"},
		{"another hash", text, Head{Seq: 3, Hash: zeroHash}, "this is another log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			if tt.text != nil {
				writeFile(t, path, tt.text)
			}
			l, err := Open(t.Context(), path, Options{Known: tt.known})
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
		l, err := Open(t.Context(), path, Options{MaxBytes: 4096, Known: known})
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
