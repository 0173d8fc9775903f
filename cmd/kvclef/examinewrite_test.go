//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFoldersThatCanBeMade: those above are looked at where a folder is missing.
func TestFoldersThatCanBeMade(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(base, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{
		base:                          "",
		filepath.Join(base, "a", "b"): "",
		file:                          "is no folder",
		filepath.Join(file, "a"):      "can't be made",
		closed:                        "may not write in the folder " + closed,
		filepath.Join(closed, "a"):    "may not write in the folder " + closed,
	} {
		if os.Geteuid() == 0 && strings.HasPrefix(folder, closed) {
			continue // root may
		}
		if err := canBeMade(folder); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", folder, err, want)
		}
	}
}
