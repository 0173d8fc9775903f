package audit

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestIdempotency: an idempotency key is read back as it was written, and one that could not
// be is refused.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := Idempotency{Key: "idem/default/" + strings.Repeat("a", 64), Request: strings.Repeat("b", 64)}
	if err := l.Append(t.Context(), Entry{Event: EventDecision, Idempotency: &want}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []Idempotency{{}, {Key: "k"}, {Key: "k\n", Request: "r"}, {Key: strings.Repeat("k", MaxIdempotency+1), Request: "r"}} {
		if err := l.Append(t.Context(), Entry{Event: EventDecision, Idempotency: &wrong}); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
	n := 0
	for record, err := range Entries(t.Context(), path, 1) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; record.Entry.Idempotency == nil || *record.Entry.Idempotency != want {
			t.Errorf("it is %+v", record.Entry.Idempotency)
		}
	}
	if n != 1 {
		t.Errorf("%d entries", n)
	}
}
