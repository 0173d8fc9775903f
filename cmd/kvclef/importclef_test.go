package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestFromRealClef has a real Clef make what it keeps, plays the story of the move
// with it, and compares what the two signers say then.
func TestFromRealClef(t *testing.T) {
	if testing.Short() {
		t.Skip("derives many keys, for minutes under the race detector")
	}
	clef := findClef(t)
	home := t.TempDir()
	c := makeClef(t, clef, home)
	t.Run("story", func(t *testing.T) {
		story := storyParams(home)
		story.Files = []string{"testdata/script/importclef.txt"}
		testscript.Run(t, story)
	})
	c.run(t, func() { // as the story wants it of kvclef
		if !signs(t, c.ipc()) {
			t.Error("Clef refuses a third transaction")
		}
		if signs(t, c.ipc()) {
			t.Error("Clef signs a fourth transaction")
		}
	})
}

// TestClefsFoldersStay imports, and looks for any change.
func TestClefsFoldersStay(t *testing.T) {
	home := t.TempDir()
	c := copyClef(t, home)
	before := contents(t, home)
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte(clefPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	args := []string{
		"kvclef", "import", "clef", "--configdir", c.config(), "--keystore", c.keystore(), "--rules", c.rules(), "--chainid", clefChain,
		"--password-file", secret, "--datadir", filepath.Join(t.TempDir(), "data"),
	}
	if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, said.String())
	}
	if changed := contents(t, home); changed != before {
		t.Errorf("Clef's folders were changed:\n%s\n%s", before, changed)
	}
}

// contents are the names, modes, times and hashes of the files in a folder.
func contents(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			b.WriteString(" " + hex.EncodeToString(sum[:]))
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// importInto imports the checked-in folders into a data directory.
func importInto(t *testing.T, data string) (code int, said string) {
	t.Helper()
	c := copyClef(t, t.TempDir())
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte(clefPassword+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	args := []string{"kvclef", "import", "clef", "--configdir", c.config(), "--rules", c.rules(), "--chainid", clefChain, "--password-file", secret, "--datadir", data}
	code = run(t.Context(), args, strings.NewReader(""), &text, &text)
	return code, text.String()
}

// TestImportOverAState: an import that was interrupted goes on, and a state with a
// history of its own is left alone.
func TestImportOverAState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before func(*testing.T, *bolt.Store)
		want   string // "": it is imported
	}{
		{"empty", func(*testing.T, *bolt.Store) {}, ""},
		{"interrupted", func(t *testing.T, s *bolt.Store) { putValue(t, s, "spent", "2") }, ""},
		{"another value", func(t *testing.T, s *bolt.Store) { putValue(t, s, "spent", "1") }, `a rule file keeps "spent" there`},
		{"a value of its own", func(t *testing.T, s *bolt.Store) { putValue(t, s, "own", "1") }, `a rule file keeps "own" there`},
		{"spent", func(t *testing.T, s *bolt.Store) {
			charge := rules.Charge{Counter: "c", Slot: "s", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(2), Window: time.Hour}
			if _, err := s.Hold(t.Context(), []rules.Charge{charge}); err != nil {
				t.Fatal(err)
			}
		}, "something was spent of limits"},
		{"records", func(t *testing.T, s *bolt.Store) { putRecord(t, s, "outbox/1", "x") }, `it holds records of "outbox"`},
		{"another import", func(t *testing.T, s *bolt.Store) { putRecord(t, s, importRecord, `{"folder":"00"}`) }, "it was filled from another directory of Clef"},
		{"no import", func(t *testing.T, s *bolt.Store) { putRecord(t, s, importRecord, `[]`) }, "it was filled from another directory of Clef"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			if err := os.Chmod(data, 0o700); err != nil {
				t.Fatal(err)
			}
			withStore(t, data, tt.before)
			code, said := importInto(t, data)
			switch {
			case tt.want != "" && (code != exitUsage || !strings.Contains(said, tt.want)):
				t.Errorf("exit code %d, want %q in:\n%s", code, tt.want, said)
			case tt.want == "" && code != exitOK:
				t.Errorf("exit code %d:\n%s", code, said)
			case tt.want == "":
				found, err := bolt.Inspect(t.Context(), filepath.Join(data, "state.db"), time.Now(), true)
				if err != nil || found.Values["spent"] != "2" || len(found.Values) != 3 || found.Attestation == nil {
					t.Errorf("%+v, %v", found, err)
				}
			}
		})
	}
}

// withStore makes a store if there is none, and uses it.
func withStore(t *testing.T, data string, use func(*testing.T, *bolt.Store)) {
	t.Helper()
	path := filepath.Join(data, "state.db")
	if err := bolt.Create(path); err != nil && !errors.Is(err, bolt.ErrExists) {
		t.Fatal(err)
	}
	store, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	use(t, store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func putValue(t *testing.T, s *bolt.Store, name, value string) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err == nil {
		err = tx.Put(name, value)
	}
	if err == nil {
		err = tx.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func putRecord(t *testing.T, s *bolt.Store, key, value string) {
	t.Helper()
	if err := s.ChangeRecords(t.Context(), rules.Change{Key: key, New: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

// TestImportBounds: what the store does not take is refused before anything is written.
func TestImportBounds(t *testing.T) {
	t.Parallel()
	many := make(map[string]string)
	for i := range bolt.MaxKeys + 1 {
		many[fmt.Sprint(i)] = "1"
	}
	for name, values := range map[string]map[string]string{
		"a long name":  {strings.Repeat("n", bolt.MaxKey+1): "1"},
		"a long value": {"n": strings.Repeat("v", bolt.MaxValue+1)},
		"many":         many,
	} {
		if err := (&clefPlan{values: values}).checkBounds(); err == nil || !strings.Contains(err.Error(), "let the rule file keep less") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&clefPlan{values: map[string]string{strings.Repeat("n", bolt.MaxKey): strings.Repeat("v", bolt.MaxValue)}}).checkBounds(); err != nil {
		t.Error(err)
	}
}

// TestLargeStorage carries over more than a transaction of the store may hold.
func TestLargeStorage(t *testing.T) {
	t.Parallel()
	values := make(map[string]string)
	for i := range 20 {
		values[fmt.Sprint(i)] = strings.Repeat("v", bolt.MaxValue)
	}
	data := t.TempDir()
	withStore(t, data, func(t *testing.T, s *bolt.Store) {
		if err := (&clefPlan{values: values}).putValues(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	found, err := bolt.Inspect(t.Context(), filepath.Join(data, "state.db"), time.Now(), true)
	if err != nil || !maps.Equal(found.Values, values) {
		t.Errorf("%d values, %v", len(found.Values), err)
	}
}

func TestWriteOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		text string
		ok   bool
	}{{"one", true}, {"one", true}, {"two", false}} {
		if err := writeOnce(path, []byte(tt.text)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	link := path + "2"
	if err := os.Symlink(path+"3", link); err != nil {
		t.Skip(err)
	}
	if err := writeOnce(link, []byte("x")); err == nil {
		t.Error("a link was written through")
	}
}

func TestInside(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	clef := filepath.Join(base, "clef")
	if err := os.Mkdir(clef, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(clef, link); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]bool{
		clef: true, filepath.Join(clef, "a", "b"): true, filepath.Join(link, "new"): true, clef + "2": false, base: false, filepath.Join(clef, "..", "x"): false,
	} {
		if got, err := inside(path, link); err != nil || got != want {
			t.Errorf("%s: %t, %v", path, got, err)
		}
	}
}

// TestFromClefPageHasTheFlags compares the flags of Clef with the page.
func TestFromClefPageHasTheFlags(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/from-clef.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"stdio-ui-test"}
	for _, flag := range clefsFlags() {
		names = append(names, flag.Names()[0])
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`--"+name+"`") {
			t.Errorf("docs/from-clef.md does not mention --%s", name)
		}
	}
}
