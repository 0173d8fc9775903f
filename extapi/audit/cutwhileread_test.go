package audit

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A log that is cut while it is checked does not end well, though all that was read of it is
// in order.
func TestCutWhileItIsChecked(t *testing.T) {
	t.Parallel()
	path := write(t, 5, Options{})
	text := readFile(t, path)
	short := int64(len(text) - len(lines(text)[4]))
	_, err := Verify(t.Context(), path, VerifyOptions{patience: 1, Entry: func(e Entry) {
		if e.Seq == 5 {
			if err := os.Truncate(path, short); err != nil {
				t.Error(err)
			}
		}
	}})
	var found *DamageError
	if !errors.As(err, &found) || !strings.Contains(found.Problem, "was cut back") {
		t.Errorf("got %v", err)
	}
}

// A full segment that is empty had entries, also where none follows that would tell.
func TestEmptySegmentIsFound(t *testing.T) {
	t.Parallel()
	path := threeSegments(t)
	names := files(t, path)
	writeFile(t, names[1], nil)
	writeFile(t, names[2], nil)
	if found := damage(t, path, VerifyOptions{}); found.File != names[1] || found.Seq != 3 || !strings.Contains(found.Problem, "is empty") {
		t.Errorf("%v", found)
	}
}
