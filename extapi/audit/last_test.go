package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLast: the last entry is found in the newest segment that has one, and
// what is damaged after it is told.
func TestLast(t *testing.T) {
	const n = 20
	path := write(t, n, Options{MaxBytes: 4000})
	if last, err := Last(t.Context(), path); err != nil || last != n {
		t.Errorf("last %d, %v; want %d", last, err, n)
	}
	whole := readFile(t, path)
	writeFile(t, path, whole[:len(whole)-1])
	if last, err := Last(t.Context(), path); err != nil || last != n-1 {
		t.Errorf("unfinished: last %d, %v; want %d", last, err, n-1)
	}
	whole[len(whole)-10] ^= 1
	writeFile(t, path, whole)
	var damage *DamageError
	if last, err := Last(t.Context(), path); !errors.As(err, &damage) || last != n-1 {
		t.Errorf("damaged: last %d, %v; want %d", last, err, n-1)
	}
	writeFile(t, path, nil)
	first := int(events(t, path, 1)[0].Seq)
	if last, err := Last(t.Context(), path); err != nil || first != 1 || last >= n || last != events(t, path, 1)[len(events(t, path, 1))-1].Seq {
		t.Errorf("empty: last %d, %v", last, err)
	}
	if last, err := Last(t.Context(), filepath.Join(t.TempDir(), "audit.log")); !errors.Is(err, os.ErrNotExist) || last != 0 {
		t.Errorf("missing: last %d, %v", last, err)
	}
}

// TestEntriesEndAtAnUnfinishedSegment: only the active segment may end in the
// middle of a line.
func TestEntriesEndAtAnUnfinishedSegment(t *testing.T) {
	path := write(t, 20, Options{MaxBytes: 4000})
	name := segmentName(path, 1)
	full := readFile(t, name)
	writeFile(t, name, full[:len(full)-1])
	want, got := len(lines(full))-1, 0
	for _, err := range Entries(t.Context(), path, 1) {
		if err == nil {
			got++
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.File != name || damage.Line != want+1 || got != want {
			t.Errorf("after %d entries of %d: %v", got, want, err)
		}
		return
	}
	t.Errorf("%d entries and no error", got)
}

// TestProgress: a long check says how far it is.
func TestProgress(t *testing.T) {
	t.Parallel()
	var seen []uint64
	v := verifier{options: VerifyOptions{Start: 1, Progress: func(r Report) { seen = append(seen, r.Entries) }}, report: Report{Events: map[Event]uint64{}}}
	v.open.number = map[string]uint64{}
	for seq := range uint64(2 * progressEvery) {
		if err := v.add(Record{Entry: Entry{Seq: seq + 1, Event: EventStart}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 || seen[0] != progressEvery || seen[1] != 2*progressEvery {
		t.Errorf("told at %v", seen)
	}
}
