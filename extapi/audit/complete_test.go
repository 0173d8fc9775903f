package audit

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// all collects records that stay valid.
func all(t testing.TB, records iter.Seq2[Record, error]) (found []Record) {
	t.Helper()
	for record, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		record.Raw = []byte(string(record.Raw))
		found = append(found, record)
	}
	return found
}

// killed leaves a log of n entries and its journal as they are while it is written.
func killed(t testing.TB, n int) (path string, text, journal []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{})
	for i := range n {
		appendAll(t, l, decision(i))
	}
	text, journal = readFile(t, path), readFile(t, path+journalSuffix)
	closeLog(t, l)
	writeFile(t, path+journalSuffix, journal)
	return path, text, journal
}

// TestComplete reads what Mend would leave, from anywhere, and changes nothing.
func TestComplete(t *testing.T) {
	t.Parallel()
	path, text, _ := killed(t, 6)
	want := lines(text)
	for name, left := range map[string]string{
		"all":                 string(text),
		"two lines":           want[0] + want[1],
		"none":                "",
		"a torn line":         want[0] + want[1][:30],
		"other text":          want[0] + "what was there before\n",
		"more than was told":  string(text) + "what was there before\n",
		"and what is unended": string(text) + want[0][:20],
	} {
		writeFile(t, path, []byte(left))
		for from := range uint64(8) {
			read := all(t, Complete(t.Context(), path, from))
			if len(read) != max(0, min(6, 7-int(from))) {
				t.Errorf("%s: %d entries from %d on", name, len(read), from)
			}
			for i, record := range read {
				if n := max(int(from), 1) + i; string(record.Raw)+"\n" != want[n-1] || record.Entry.Seq != uint64(n) {
					t.Errorf("%s: from %d on, entry %d is %s", name, from, i, record.Raw)
				}
			}
		}
		if string(readFile(t, path)) != left {
			t.Error("the log was changed")
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if read := all(t, Complete(t.Context(), path, 1)); len(read) != 6 {
		t.Errorf("%d entries of the journal alone", len(read))
	}
	other, _, _ := killed(t, 3)
	writeFile(t, path, readFile(t, other))
	for _, err := range Complete(t.Context(), path, 1) {
		if err == nil || !strings.Contains(err.Error(), "does not go on") {
			t.Errorf("with the journal of another log: %v", err)
		}
	}
}

// TestGoesOn finds entries behind whatever damage.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	path := write(t, 40, Options{MaxBytes: 4096})
	firsts, err := segments(path)
	if err != nil || len(firsts) < 3 {
		t.Fatal(firsts, err)
	}
	writeFile(t, path, append([]byte("x"), readFile(t, path)...))
	full := segmentName(path, firsts[len(firsts)-1])
	writeFile(t, full, append([]byte(strings.Repeat("x", 2*maxLine)), readFile(t, full)...))
	for seq, want := range map[uint64]bool{1: true, firsts[len(firsts)-1]: true, 39: true, 40: false, 41: false} {
		if got, err := GoesOn(t.Context(), path, seq); got != want || err != nil {
			t.Errorf("after %d: %t, %v", seq, got, err)
		}
	}
	if got, err := GoesOn(t.Context(), filepath.Join(t.TempDir(), "none"), 0); got || err != nil {
		t.Errorf("a log that is not there: %t, %v", got, err)
	}
}

// TestStrayed tells a journal that was left behind from one that nothing needs.
func TestStrayed(t *testing.T) {
	t.Parallel()
	path, text, _ := killed(t, 6)
	to := filepath.Join(filepath.Dir(path), "moved.log")
	cut := strings.Join(lines(text)[:3], "")
	other := write(t, 6, Options{Now: steady})
	for name, tt := range map[string]struct {
		from, to string // "": none
		want     bool
	}{
		"moved, and whole":          {"", string(text), false},
		"moved, and cut":            {"", cut, true},
		"moved, and torn":           {"", cut + "{", true},
		"another at the new place":  {"", string(readFile(t, other)), false},
		"none at the new place":     {"", "", false},
		"copied":                    {cut, cut, false},
		"another came to its place": {string(readFile(t, other)), cut, true},
	} {
		for name, text := range map[string]string{path: tt.from, to: tt.to} {
			writeFile(t, name, []byte(text))
			if text == "" {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := Strayed(t.Context(), path, to); (err != nil) != tt.want || err != nil && !strings.Contains(err.Error(), "mv ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
