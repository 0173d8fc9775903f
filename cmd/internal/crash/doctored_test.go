package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// doctored shows that the crashes of a signer that forgets would be noticed: of
// one that lets a signature go before what it rests on is durable. The disk is
// made to forget in its place.
func doctored(t *testing.T, programs programs, seed uint64) {
	for _, tt := range []struct {
		name   string
		rules  string
		forget func(s *stage, before []byte) error // before is the store as it was
		want   string
	}{
		{"a limit", "after-signing.js", func(s *stage, before []byte) error { return os.WriteFile(s.store(), before, 0o600) }, "and the storage counts"},
		{"an outcome", "after-signing.js", func(s *stage, _ []byte) error { return s.forgetOutcome() }, "the log has no entry of its release"},
		{"a hold", policyFile, func(s *stage, _ []byte) error { return s.forgetHolds(t.Context()) }, "and the state counts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, programs, tt.rules, 1<<20, seed)
			p := plan{place: "auditor.after-outcome", passing: 2 * clients, after: latest}
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

// forgetOutcome takes the end off the log, from the entry of a signature that a
// client was given.
func (s *stage) forgetOutcome() error {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err
	}
	if len(s.load.given) == 0 {
		return errors.New("nobody was given a signature")
	}
	entry := bytes.Index(text, []byte(signatureHash(s.load.given[len(s.load.given)-1])))
	if entry < 0 {
		return fmt.Errorf("%s has no entry of a signature that was given", s.log())
	}
	return os.Truncate(s.log(), int64(bytes.LastIndexByte(text[:entry], '\n')+1))
}
