//go:build unix

package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMakeIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b")
	dir, err := Make(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(made)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v and mode %v", made, err, info.Mode())
		}
	}
	if again, err := Make(path); err != nil || again != dir {
		t.Errorf("made again: %v and %v", again, err)
	}
	if opened, err := Open(path); err != nil || opened != dir {
		t.Errorf("opened: %v and %v", opened, err)
	}
	for _, file := range []string{dir.Store(), dir.AuditLog(), dir.AdminSocket()} {
		if filepath.Dir(file) != path {
			t.Errorf("%s is not in %s", file, path)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		path string
		mode os.FileMode // 0: no folder is made
		find bool        // whether Find takes it
		want string
	}{
		{"missing", filepath.Join(base, "missing"), 0, false, "make it with kvclef init --datadir " + filepath.Join(base, "missing")},
		{"a file", file, 0, false, "is no folder"},
		{"below a file", filepath.Join(file, "x"), 0, false, "not a directory"},
		{"readable", filepath.Join(base, "readable"), 0o755, true, "has mode 0755, so others can get at it: run chmod 700 "},
		{"writable for the group", filepath.Join(base, "group"), 0o720, true, "has mode 0720"},
		{"searchable", filepath.Join(base, "search"), 0o701, true, "has mode 0701"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.mode != 0 {
				if err := os.Mkdir(tt.path, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(tt.path, tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(tt.path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open says %v, want %q in it", err, tt.want)
			}
			if _, err := Find(tt.path); (err == nil) != tt.find {
				t.Errorf("Find says %v", err)
			}
			if tt.name == "missing" {
				return
			}
			if _, err := Make(tt.path); err == nil {
				t.Error("Make takes it")
			}
		})
	}
}

// TestAnotherUsersFolder needs a user that may give a folder away.
func TestAnotherUsersFolder(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Skipf("needs root: %v", err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "belongs to the user id 12345") || strings.Contains(err.Error(), "chown") {
		t.Errorf("Open says %v", err)
	}
}
