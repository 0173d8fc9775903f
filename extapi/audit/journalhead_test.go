package audit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestJournalNamesTheLast: a journal to which nothing was written yet names the entry that
// the log had last. Without that entry the log is refused, and what stands behind it is what
// nobody was told of.
func TestJournalNamesTheLast(t *testing.T) {
	t.Parallel()
	from := write(t, 5, Options{})
	open(t, from, Options{open: openQuick})
	path := copyOf(t, from) // as a crash leaves it
	text := readFile(t, path)
	short := len(text) - len(lines(text)[4])
	for name, tt := range map[string]struct {
		text []byte
		want string // "": it opens
	}{
		"as it was":                 {text, ""},
		"an older copy":             {text[:short], "has entries up to number 5, and does not go on from the log's last, number 4"},
		"what is no line behind it": {append(bytes.Clone(text), "\n{\"seq\":7}\n\nhello"...), ""},
	} {
		at := copyOf(t, path)
		writeFile(t, at, tt.text)
		l, err := tryOpen(t, at, Options{open: openQuick})
		if tt.want == "" {
			if err != nil || !bytes.HasPrefix(readFile(t, at), text) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			closeLog(t, l)
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Seq != 5 || !strings.Contains(err.Error(), tt.want) || !bytes.Equal(readFile(t, at), tt.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJournalWithTwoFollowers: a journal with two entries that follow the same one tells two
// stories, and none is taken.
func TestJournalWithTwoFollowers(t *testing.T) {
	t.Parallel()
	const half = 10_000
	path, text := crashedWith(t, 3, Options{journal: half})
	_, hash, err := decodeLine([]byte(strings.TrimSuffix(lines(text)[1], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	body, err := encodeBody(decision(99))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := appendLine(nil, link{seq: 2, hash: hash}, steady(), body)
	journal := readFile(t, path+journalSuffix)
	copy(journal[half:], other)
	writeFile(t, path+journalSuffix, journal)
	for name, text := range map[string][]byte{"whole": text, "without them": []byte(strings.Join(lines(text)[:2], ""))} {
		writeFile(t, path, text)
		var refused *DamageError
		if _, err := tryOpen(t, path, Options{open: openQuick}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "two entries that follow number 2") {
			t.Errorf("%s: %v", name, err)
		}
		if found := damage(t, path, VerifyOptions{}); !strings.Contains(found.Problem, "two entries that follow number 2") {
			t.Errorf("%s: the check finds %v", name, found)
		}
		if !bytes.Equal(readFile(t, path), text) {
			t.Errorf("%s: the log was changed", name)
		}
	}
}
