//go:build unix

package audit

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe that nobody writes to would keep the start waiting for ever.
func TestPipesAreRefused(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", lockSuffix, checkpointSuffix, ".00000000000000000001"} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := syscall.Mkfifo(path+suffix, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "name an ordinary file") {
			t.Errorf("audit.log%s is a pipe: %v", suffix, err)
		}
	}
}
