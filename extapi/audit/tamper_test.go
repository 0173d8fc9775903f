package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// copyLog copies a log's files, so that a case may spoil them.
func copyLog(t testing.TB, path string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(path))
}

// files of a log, oldest first.
func files(t testing.TB, path string) []string {
	t.Helper()
	firsts, err := segments(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, first := range firsts {
		names = append(names, segmentName(path, first))
	}
	return append(names, path)
}

// damage checks a log that must be found spoilt.
func damage(t testing.TB, path string, options VerifyOptions) *DamageError {
	t.Helper()
	options.patience = 1
	_, err := Verify(context.WithoutCancel(t.Context()), path, options)
	var found *DamageError
	if !errors.As(err, &found) {
		t.Fatalf("not found: %v", err)
	}
	return found
}

// threeSegments is a log of five entries: 2, 2 and 1.
func threeSegments(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{MaxBytes: 600})
	for i := range 5 {
		appendAll(t, l, Entry{Event: EventDecision, Request: fmt.Sprintf("req-%d", i), Reason: "because"})
	}
	closeLog(t, l)
	if n := len(files(t, path)); n != 3 {
		t.Fatalf("%d segments", n)
	}
	return path
}

func TestEveryChangedByteIsFound(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	seq := uint64(0)
	for _, name := range files(t, path) {
		text := readFile(t, name)
		number, offset := 0, int64(0)
		for _, line := range lines(text) {
			seq++
			number++
			for i := range line {
				for _, to := range []byte{line[i] ^ 1, ' ', '\n'} {
					if to == line[i] {
						continue
					}
					put(t, name, offset+int64(i), to)
					found := damage(t, path, VerifyOptions{})
					if found.File != name || found.Line != number || found.Offset != offset || found.Seq != seq {
						t.Fatalf("%s, line %d, byte %d to %q: found at %v", name, number, i, to, found)
					}
				}
				put(t, name, offset+int64(i), line[i])
			}
			offset += int64(len(line))
		}
	}
	verify(t, path, VerifyOptions{})
}

func TestLinesRemovedSwappedDuplicated(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	names := files(t, path)
	var original []string
	var starts []int // of the segments
	for _, name := range names {
		starts = append(starts, len(original))
		original = append(original, lines(readFile(t, name))...)
	}
	// found writes the lines back where they were, but for the change, and
	// returns what is found.
	found := func(changed []string) *DamageError {
		for i, name := range names {
			end := len(changed)
			if i+1 < len(starts) {
				end = starts[i+1]
			}
			writeFile(t, name, []byte(strings.Join(changed[starts[i]:end], "")))
		}
		return damage(t, path, VerifyOptions{})
	}
	for i, was := range original {
		if i < len(original)-1 { // the removal of the last needs a checkpoint
			changed := slices.Clone(original)
			changed[i] = ""
			if place := found(changed); place.Seq != uint64(i+1) {
				t.Errorf("entry %d removed: %v", i+1, place)
			}
		}
		changed := slices.Clone(original)
		changed[i] = was + was
		if place := found(changed); place.Seq != uint64(i+2) {
			t.Errorf("entry %d twice: %v", i+1, place)
		}
		for other := i + 1; other < len(original); other++ {
			changed := slices.Clone(original)
			changed[i] = original[other]
			if place := found(changed); place.Seq != uint64(i+1) {
				t.Errorf("entry %d replaced by %d: %v", i+1, other+1, place)
			}
			changed[other] = was
			if place := found(changed); place.Seq != uint64(i+1) {
				t.Errorf("entries %d and %d swapped: %v", i+1, other+1, place)
			}
		}
	}
}

func TestSegmentsTampered(t *testing.T) {
	t.Parallel()
	original := threeSegments(t)
	for name, change := range map[string]func(t *testing.T, path string, names []string){
		"first removed":  func(t *testing.T, _ string, names []string) { remove(t, names[0]) },
		"second removed": func(t *testing.T, _ string, names []string) { remove(t, names[1]) },
		"swapped": func(t *testing.T, path string, names []string) {
			rename(t, names[0], path+".x")
			rename(t, names[1], names[0])
			rename(t, path+".x", names[1])
		},
		"renamed": func(t *testing.T, path string, names []string) { rename(t, names[1], segmentName(path, 4)) },
		"emptied": func(t *testing.T, _ string, names []string) { writeFile(t, names[1], nil) },
		"duplicate between": func(t *testing.T, path string, names []string) {
			writeFile(t, segmentName(path, 2), readFile(t, names[0]))
		},
		"duplicate at end": func(t *testing.T, path string, names []string) {
			writeFile(t, segmentName(path, 5), readFile(t, names[1]))
		},
		"active duplicated": func(t *testing.T, path string, _ []string) { writeFile(t, segmentName(path, 5), readFile(t, path)) },
		"joined": func(t *testing.T, _ string, names []string) {
			writeFile(t, names[0], append(readFile(t, names[0]), readFile(t, names[1])...))
			remove(t, names[1])
			writeFile(t, names[0], append(readFile(t, names[0]), '\n'))
		},
		"active again in front": func(t *testing.T, path string, _ []string) { writeFile(t, segmentName(path, 0), readFile(t, path)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := copyLog(t, original)
			change(t, path, files(t, path))
			damage(t, path, VerifyOptions{})
		})
	}
}

// A cut in the middle is found wherever it is; at the end, inside a line.
func TestEveryCutIsFound(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	for _, name := range files(t, path) {
		text := readFile(t, name)
		for n := len(text) - 1; n >= 0; n-- {
			if name == path && n == 0 {
				continue // needs a checkpoint
			}
			if err := os.Truncate(name, int64(n)); err != nil {
				t.Fatal(err)
			}
			if found := damage(t, path, VerifyOptions{}); n > 0 && text[n-1] != '\n' && found.File != name {
				t.Fatalf("%s cut to %d bytes: %v", name, n, found)
			}
		}
		writeFile(t, name, text)
	}
}

// Whoever keeps old segments elsewhere says so.
func TestOlderSegmentsElsewhere(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	remove(t, files(t, path)[0])
	if found := damage(t, path, VerifyOptions{}); found.Seq != 3 {
		t.Errorf("%v", found)
	}
	if report := verify(t, path, VerifyOptions{Start: 3}); report.First != 3 || report.Last != 5 {
		t.Errorf("%+v", report)
	}
	damage(t, path, VerifyOptions{Start: 2})
	damage(t, path, VerifyOptions{Start: 4})
}

func TestVerifyNothing(t *testing.T) {
	t.Parallel()
	if _, err := Verify(t.Context(), filepath.Join(t.TempDir(), "audit.log"), VerifyOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ended, threeSegments(t), VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestApprovalsWithoutOutcome(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{})
	rejected := decision(0)
	rejected.Verdict = "reject"
	appendAll(t, l, decision(1), decision(2), decision(3), rejected, Entry{Event: EventOutcome, Request: "req-2"}, Entry{Event: EventOutcome, Request: "req-9"})
	closeLog(t, l)
	if report := verify(t, path, VerifyOptions{}); report.Open != 2 || fmt.Sprint(report.OpenListed) != "[req-1 req-3]" {
		t.Errorf("%+v", report)
	}
}

// put changes one byte.
func put(t testing.TB, name string, offset int64, to byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{to}, offset); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
