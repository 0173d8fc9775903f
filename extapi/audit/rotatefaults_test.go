package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A segment is put aside under a name that nothing has, and no entry is in a file that took
// the place of one which could not be.
func TestRotationBesideOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(t *testing.T, path string)
		rename func(from, to string) error
	}{
		"the name is taken": {before: func(t *testing.T, path string) {
			t.Helper()
			writeFile(t, segmentName(path, 1), []byte("kept\n"))
		}, rename: os.Rename},
		"replaced": {before: func(*testing.T, string) {}, rename: func(from, _ string) error {
			text, err := os.ReadFile(from)
			return errors.Join(errDisk, err, os.WriteFile(from+".new", text, 0o600), os.Rename(from+".new", from))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, path, Options{MaxBytes: 1, rename: tt.rename, open: openQuick})
			appendAll(t, l, decision(1))
			tt.before(t, path)
			text := readFile(t, path)
			if err := l.Append(t.Context(), decision(2)); !errors.Is(err, ErrBroken) {
				t.Errorf("it was written: %v", err)
			}
			if !bytes.Equal(readFile(t, path), text) {
				t.Error("something was written")
			}
			if name == "the name is taken" && string(readFile(t, segmentName(path, 1))) != "kept\n" {
				t.Error("what had the name is gone")
			}
		})
	}
}
