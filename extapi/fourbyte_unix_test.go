//go:build unix

package extapi

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCustomSelectorsAreAFile: what never answers, or never ends, is refused.
func TestCustomSelectorsAreAFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir()} {
		if _, err := NewValidator(path); err == nil || !strings.Contains(err.Error(), path+" is no file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
