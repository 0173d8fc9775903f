package crash_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// doctored shows that the crashes of a signer that forgets would be noticed: of
// one that lets a signature go before what it rests on is durable. The disk is
// made to forget in its place.
func doctored(t *testing.T, programs programs, seed uint64) {
	for _, tt := range []struct {
		name   string
		forget func(s *stage, before []byte) error // before is the store as it was
		want   string
	}{
		{"a limit", func(s *stage, before []byte) error { return os.WriteFile(s.store(), before, 0o600) }, "and the storage counts"},
		{"an outcome", func(s *stage, _ []byte) error { return s.forgetOutcome() }, "the log has no entry of its release"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, programs, "after-signing.js", seed)
			p := plan{after: 300 * time.Millisecond}
			if err := s.round(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(s.store())
			if err != nil {
				t.Fatal(err)
			}
			s.afterwards = func() error { return tt.forget(s, before) }
			if err := s.round(t.Context(), p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// forgetOutcome takes entries off the end of the log, up to the last that says
// that a signature was released.
func (s *stage) forgetOutcome() error {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err
	}
	last := bytes.LastIndex(text, []byte(`"released":true`))
	if last < 0 {
		return fmt.Errorf("%s has no outcome", s.log())
	}
	return os.Truncate(s.log(), int64(bytes.LastIndexByte(text[:last], '\n')+1))
}
