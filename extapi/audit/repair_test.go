package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// quick doesn't wait for the disk: for tests that open a log thousands of times.
type quick struct{ *os.File }

func (quick) Sync() error { return nil }

func openQuick(path string, flag int, mode fs.FileMode) (file, error) {
	f, err := os.OpenFile(path, flag, mode)
	return quick{f}, err
}

// small is a log of short entries: a full segment, and three entries in the active
// one, which it returns.
func small(t testing.TB) (path string, active []byte) {
	t.Helper()
	start := Entry{Event: EventStart}
	path = write(t, 1, Options{})
	l := open(t, path, Options{MaxBytes: 1000})
	appendAll(t, l, start, start, start)
	closeLog(t, l)
	if n := len(files(t, path)); n != 2 {
		t.Fatalf("%d segments", n)
	}
	return path, readFile(t, path)
}

// A crash may leave any part of the last write, and zeros where the rest should
// be. What is not a whole line is cut off, and that is recorded.
func TestEveryTornEndIsRepaired(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	ends := []int{0}
	for _, line := range lines(text) {
		ends = append(ends, ends[len(ends)-1]+len(line))
	}
	for _, zeros := range []int{0, 1, 4096} {
		for n := range text {
			if zeros > 0 && n%7 > 0 {
				continue
			}
			end := ends[0]
			whole := 0
			for i, at := range ends {
				if at <= n {
					end, whole = at, i
				}
			}
			torn := append(slices.Clone(text[:n]), make([]byte, zeros)...)
			truncateTo(t, path, torn)
			l, err := tryOpen(t, path, Options{open: openQuick, journal: 4000})
			if err != nil {
				t.Fatalf("%d bytes and %d zeros: %v", n, zeros, err)
			}
			closeLog(t, l)
			got := events(t, path, 2)
			want := whole
			note := ""
			if cut := torn[end:]; len(cut) > 0 {
				want++
				note = fmt.Sprintf("cut off %d bytes of an unfinished line after entry %d, as after a crash; their SHA-256 is %x", len(cut), whole+1, sha256.Sum256(cut))
			} else if n == 0 {
				want++
				note = "the active segment was empty, as after a crash while the log was rotated"
			}
			if last := got[len(got)-1]; len(got) != want || (note != "" && (last.Event != EventRecovered || last.Note != note)) || (note == "" && last.Event == EventRecovered) {
				t.Fatalf("%d bytes and %d zeros: %d entries, want %d; the last is %+v, want %q", n, zeros, len(got), want, last, note)
			}
			verify(t, path, VerifyOptions{})
		}
	}
}

// truncateTo makes a file hold a text, without the flush that a new file costs.
func truncateTo(t testing.TB, name string, text []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(text, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		t.Fatal(err)
	}
}

// Nothing but a torn end is repaired: every changed byte of the active segment
// stops the start, and the file stays as it is.
func TestOpenRefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	for i := range text {
		for _, to := range []byte{text[i] ^ 1, ' ', '\n', 0} {
			if to == text[i] {
				continue
			}
			if i == len(text)-1 && (to == ' ' || to == 0) {
				continue // no different from a torn end
			}
			put(t, path, int64(i), to)
			_, err := tryOpen(t, path, Options{open: openQuick, journal: 4000})
			var found *DamageError
			if !errors.As(err, &found) || found.File != path {
				t.Fatalf("byte %d to %q: %v", i, to, err)
			}
		}
		put(t, path, int64(i), text[i])
	}
	if !bytes.Equal(readFile(t, path), text) {
		t.Error("the file was changed")
	}
}

func TestOpenRefusesWhatNoCrashLeaves(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	all := lines(text)
	for name, c := range map[string]struct{ text, want string }{
		"zeros inside":       {all[0][:100] + strings.Repeat("\x00", 20) + all[0][120:] + all[1], fmt.Sprintf("before you cut the file to %d bytes", 0)},
		"zeros, then a line": {all[0] + strings.Repeat("\x00", 512) + all[1], fmt.Sprintf("before you cut the file to %d bytes", len(all[0]))},
		"another beginning":  {all[0] + "{\"seq\":9", "not what a crash leaves"},
		"other text":         {all[0] + "hello", "not what a crash leaves"},
		"first line gone":    {all[1], "stands where"},
		"blank line":         {all[0] + "\n" + all[1], "no entry"},
		"too many zeros":     {all[0] + strings.Repeat("\x00", 2*maxBatchBytes), "longer than any entry"},
		"too long":           {all[0] + all[1][:100] + strings.Repeat("x", maxLine), "longer than any entry"},
		"carriage returns":   {strings.ReplaceAll(string(text), "\n", "\r\n"), "does not end with its hash"},
	} {
		writeFile(t, path, []byte(c.text))
		_, err := tryOpen(t, path, Options{})
		var found *DamageError
		if !errors.As(err, &found) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "kvclef audit verify") {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(readFile(t, path), []byte(c.text)) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// The newest full segment is looked at too.
func TestOpenChecksTheSegmentBefore(t *testing.T) {
	t.Parallel()
	path, text := small(t)
	before := files(t, path)[0]
	full := readFile(t, before)
	for name, spoilt := range map[string][]byte{
		"cut":     full[:len(full)-1],
		"changed": bytes.Replace(full, []byte("hot"), []byte("cot"), 1),
		"emptied": nil,
	} {
		writeFile(t, before, spoilt)
		_, err := tryOpen(t, path, Options{})
		var found *DamageError
		if !errors.As(err, &found) || found.File != before {
			t.Errorf("%s: %v", name, err)
		}
	}
	writeFile(t, before, full)
	// Another segment than the one that it continues.
	other, _ := small(t)
	writeFile(t, before, readFile(t, files(t, other)[0]))
	if _, err := tryOpen(t, path, Options{}); err == nil || !strings.Contains(err.Error(), "but the one before it is") {
		t.Errorf("another: %v", err)
	}
	writeFile(t, before, full)
	writeFile(t, path, text)
	closeLog(t, open(t, path, Options{}))
}

// A crash between the two steps of a rotation.
func TestMissingActiveSegment(t *testing.T) {
	t.Parallel()
	path, _ := small(t)
	remove(t, path)
	verify(t, path, VerifyOptions{}) // no more than the end is missing
	l := open(t, path, Options{})
	closeLog(t, l)
	got := events(t, path, 2)
	if len(got) != 1 || got[0].Seq != 2 || got[0].Event != EventRecovered || !strings.Contains(got[0].Note, "was missing") {
		t.Errorf("%+v", got)
	}
	verify(t, path, VerifyOptions{})
}

// TestRecoveryThatCanNotBeRecorded: a start that has brought the log in order, and can't say
// so since the disk is full or it is killed, leaves that to the next.
func TestRecoveryThatCanNotBeRecorded(t *testing.T) {
	t.Parallel()
	for name, rotated := range map[string]bool{"a torn line": false, "an empty segment": true} {
		for how, times := range map[string]int{"once": 1, "three times": 3} {
			path := write(t, 6, Options{})
			text := readFile(t, path)
			torn := text[:len(text)-20]
			want := "cut off "
			if rotated {
				if err := os.Rename(path, segmentName(path, 1)); err != nil {
					t.Fatal(err)
				}
				torn, want = nil, "the active segment was empty"
			}
			writeFile(t, path, torn)
			for range times {
				var d disk
				_, err := Open(t.Context(), path, Options{open: d.open, Hook: func(point string) { d.write.Store(point == PointOpened || d.write.Load()) }})
				if !errors.Is(err, errDisk) || !Crashed(path) {
					t.Fatalf("%s, %s: %v", name, how, err)
				}
			}
			for range 2 { // and it is said once
				l := open(t, path, Options{})
				appendAll(t, l, decision(7))
				closeLog(t, l)
			}
			told := slices.DeleteFunc(events(t, path, 1), func(e Entry) bool { return e.Event != EventRecovered })
			if len(told) != 1 || strings.Count(told[0].Note, want) != 1 {
				t.Errorf("%s, %s: %+v", name, how, told)
			}
			verify(t, path, VerifyOptions{})
		}
	}
	// Killed before it is written.
	path := write(t, 6, Options{})
	text := readFile(t, path)
	writeFile(t, path, text[:len(text)-20])
	after := filepath.Join(t.TempDir(), "audit.log")
	closeLog(t, open(t, path, Options{Hook: func(point string) {
		if point == PointOpened {
			writeFile(t, after, readFile(t, path))
			writeFile(t, after+journalSuffix, readFile(t, path+journalSuffix))
		}
	}}))
	closeLog(t, open(t, after, Options{}))
	if got := events(t, after, 6); len(got) != 1 || got[0].Event != EventRecovered || got[0].Note != events(t, path, 6)[0].Note {
		t.Errorf("after a kill: %+v", got)
	}
}
