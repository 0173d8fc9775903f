package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestReplacedWhileOpen puts something in the place of a store that is in use.
// Nothing of it may count, and nothing may be written where nobody finds it.
func TestReplacedWhileOpen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file can't be replaced there")
	}
	for _, tt := range []struct {
		name    string
		replace func(t *testing.T, path string, older []byte)
	}{
		{"written over with an older copy", func(t *testing.T, path string, older []byte) {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			ok(t, err)
			_, err = file.Write(older)
			ok(t, errors.Join(err, file.Close()))
		}},
		{"cut and written with an older copy", func(t *testing.T, path string, older []byte) {
			ok(t, os.WriteFile(path, older, 0o600))
		}},
		{"an older copy moved there", func(t *testing.T, path string, older []byte) {
			ok(t, os.WriteFile(path+".new", older, 0o600))
			ok(t, os.Rename(path+".new", path))
		}},
		{"removed", func(t *testing.T, path string, _ []byte) { ok(t, os.Remove(path)) }},
		{"moved away with its folder", func(t *testing.T, path string, _ []byte) {
			ok(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".old"))
		}},
		{"made anew", func(t *testing.T, path string, _ []byte) {
			ok(t, os.Remove(path))
			ok(t, bolt.Create(path))
		}},
	} {
		for age := range 6 {
			t.Run(fmt.Sprintf("%s %d", tt.name, age), func(t *testing.T) {
				t.Parallel()
				folder := filepath.Join(t.TempDir(), "data")
				ok(t, os.Mkdir(folder, 0o700))
				path := filepath.Join(folder, "state.db")
				ok(t, bolt.Create(path))
				store, err := bolt.Open(t.Context(), path, atNoon())
				ok(t, err)
				var older []byte
				for i := range 6 {
					if i == age {
						older, err = os.ReadFile(path)
						ok(t, err)
					}
					put(t, store, "count", fmt.Sprint(i))
					ok(t, store.ChangeRecords(t.Context(), added(fmt.Sprint("a/", i), "")))
				}
				tt.replace(t, path, older)

				tx, err := store.Begin(t.Context())
				ok(t, err)
				if value, err := tx.Get("count"); err == nil && value != "5" {
					t.Errorf("read from what was put there: %q", value)
				}
				if value, err := store.Record(t.Context(), "a/5"); err == nil && value == nil {
					t.Error("a record is read from what was put there")
				}
				_ = tx.Put("count", "6") // what counts is the commit
				if err := tx.Commit(t.Context()); err == nil {
					t.Error("a commit stands")
				}
				if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}); !errors.Is(err, bolt.ErrBroken) {
					t.Errorf("a hold: %v", err)
				}
				if _, err := store.Begin(t.Context()); !errors.Is(err, bolt.ErrBroken) {
					t.Errorf("a transaction begins: %v", err)
				}
				_ = store.Close() // it may say what was found
			})
		}
	}
}
