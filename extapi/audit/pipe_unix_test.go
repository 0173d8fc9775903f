//go:build unix

package audit

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe that nobody writes to would keep the start waiting for ever. A look at the place
// finds it, unless it is in that of an older segment.
func TestPipesAreRefused(t *testing.T) {
	t.Parallel()
	for suffix, looked := range map[string]bool{"": true, lockSuffix: true, checkpointSuffix: true, ".00000000000000000001": false} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := syscall.Mkfifo(path+suffix, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := CheckPlace(path); looked && (err == nil || !strings.Contains(err.Error(), "name an ordinary file")) {
			t.Errorf("audit.log%s is a pipe, and a look says %v", suffix, err)
		}
		if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "name an ordinary file") {
			t.Errorf("audit.log%s is a pipe: %v", suffix, err)
		}
	}
}
