//go:build unix

package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestModesOfSecrets: what root hands over to a group is taken, and nothing else that
// others can read or change.
func TestModesOfSecrets(t *testing.T) {
	for _, c := range []struct {
		owner, user int
		mode        fs.FileMode
		open        bool
	}{
		{1000, 1000, 0o600, false},
		{1000, 1000, 0o400, false},
		{1000, 1000, 0o640, true},
		{1000, 1000, 0o604, true},
		{0, 0, 0o600, false},
		{0, 0, 0o640, true},
		{0, 65532, 0o440, false},
		{0, 65532, 0o640, false},
		{0, 65532, 0o660, true},
		{0, 65532, 0o644, true},
		{1000, 65532, 0o640, true},
	} {
		if open := c.mode&closedTo(c.owner, c.user) != 0; open != c.open {
			t.Errorf("%#o of %d as %d: open %v", c.mode, c.owner, c.user, open)
		}
	}
	path := filepath.Join(t.TempDir(), "secret")
	for mode, refused := range map[fs.FileMode]bool{0o600: false, 0o644: true, 0o620: true} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret("key", path); (err != nil) != refused {
			t.Errorf("%#o: %v", mode, err)
		}
	}
}
